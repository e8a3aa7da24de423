/** Every activation that a model can be asked for: those its program holds, and those that are worked out for a listener. */
import { type NameFilter, selectSites } from "./select.ts";
import type { VirtualSite } from "./virtual/site.ts";

/** One activation: a core site by its index, or a virtual one. */
export interface HookPlace {
  readonly name: string;
  readonly core?: number;
  readonly virtual?: VirtualSite;
}

/** All places of a model. */
export class HookSpace {
  /** Names of core sites, by index. */
  readonly core: readonly string[];
  /** All names, in firing order. */
  readonly names: readonly string[];
  readonly #places: readonly HookPlace[];

  constructor(core: readonly string[], virtual: readonly VirtualSite[]) {
    const behind = (site: number): HookPlace[] => virtual.filter((v) => v.after === site).map((v) => ({ name: v.name, virtual: v }));
    this.core = core;
    this.#places = [...behind(-1), ...core.flatMap((name, i) => [{ name, core: i }, ...behind(i)])];
    this.names = this.#places.map((p) => p.name);
  }

  /**
   * The places that a filter means, in firing order. Globs, expressions and predicates mean core sites; virtual ones only where they match no core site, because
   * those cost something: `blocks.*.attn.hook_result`, not `blocks.*.attn.*`.
   */
  select(filter: NameFilter): HookPlace[] {
    return selectSites(filter, this.names, "hook", (i) => this.#places[i]?.virtual !== undefined).map((i) => this.#places[i] as HookPlace);
  }
}
