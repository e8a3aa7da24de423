/** Every activation that a model can be asked for: those its program holds, and those that are worked out for a listener. */
import type { SiteSpec } from "../spec/index.ts";
import { type NameFilter, selectSites } from "./select.ts";
import { BEFORE, type VirtualSite } from "./virtual/site.ts";

/** One activation: a core site by its index, or a virtual one. */
export interface HookPlace {
  readonly name: string;
  /** Its extents; `node` is -1 for a virtual one. */
  readonly site: SiteSpec;
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
  readonly #virtual: ReadonlyMap<string, VirtualSite>;

  constructor(core: readonly SiteSpec[], virtual: readonly VirtualSite[]) {
    const placed = (v: VirtualSite): HookPlace => ({ name: v.name, site: { name: v.name, node: -1, shape: v.shape }, virtual: v });
    const behind = (site: number): HookPlace[] => virtual.filter((v) => v.after === site).map(placed);
    this.core = core.map((site) => site.name);
    this.#virtual = new Map(virtual.map((v) => [v.name, v]));
    this.#places = [...behind(BEFORE), ...core.flatMap((site, i) => [{ name: site.name, site, core: i }, ...behind(i)])];
    this.names = this.#places.map((p) => p.name);
  }

  /** The virtual activation of this exact name. */
  virtual(name: string): VirtualSite | undefined {
    return this.#virtual.get(name);
  }

  /**
   * The places that a filter means, in firing order. Globs, expressions and predicates mean core sites; virtual ones only where they match no core site, because
   * those cost something: `blocks.*.attn.hook_result`, not `blocks.*.attn.*`.
   */
  select(filter: NameFilter): HookPlace[] {
    return selectSites(filter, this.names, "hook", (i) => this.#places[i]?.virtual !== undefined).map((i) => this.#places[i] as HookPlace);
  }
}
