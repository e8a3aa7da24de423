/** Turns the options of a call into what happens at each site. */
import { TritlensError } from "../core/errors.ts";
import type { AsyncHookFn, HookFn, RunPlan } from "./drive.ts";
import type { Edit, SiteEdit } from "./edit.ts";
import type { NameFilter } from "./select.ts";
import type { HookPlace, HookSpace } from "./space.ts";
import { applyEdit, undoEdit } from "./virtual/apply-edit.ts";
import { mayChange, type VirtualEntry } from "./virtual/run.ts";
import { BEFORE, type VirtualSite } from "./virtual/site.ts";

/** A hook: where, and a function or an edit. Edits of a site run before its functions. */
export type Hook = readonly [where: NameFilter, action: HookFn | Edit];
/** A hook whose function may be asynchronous. */
export type AsyncHook = readonly [where: NameFilter, action: AsyncHookFn | Edit];
/** A hook on gradients, called in the backward pass when the site's gradient is complete. */
export type GradHook = readonly [where: NameFilter, action: HookFn];
/** A gradient hook whose function may be asynchronous. */
export type AsyncGradHook = readonly [where: NameFilter, action: AsyncHookFn];

/** What a plan is made from. */
export interface PlanOptions {
  readonly names?: NameFilter;
  readonly hooks?: readonly AsyncHook[];
  readonly gradHooks?: readonly AsyncGradHook[];
  readonly inclGrad?: boolean;
  readonly paramGrads?: boolean | readonly string[];
  readonly stopAtLayer?: number;
}

/** Resolves every name; nothing runs before all of them are known to exist. */
export function makePlan(options: PlanOptions, space: HookSpace, layers: number): RunPlan {
  const names = space.core;
  const keep = options.names === undefined ? [] : space.select(options.names);
  const stop = options.stopAtLayer === undefined ? undefined : stopSite(options.stopAtLayer, names, layers);
  const forward = new Map<number, AsyncHookFn[]>();
  const edits: SiteEdit[] = [];
  const virtual = new Entries();
  for (const [where, action] of options.hooks ?? []) {
    for (const { core, virtual: site } of space.select(where)) {
      // Stopping ahead of a block means that its own input hooks do not run.
      if (stop?.before && stop.site === (core ?? site?.after)) continue;
      if (site) virtual.act(site, action);
      else if (typeof action === "function") push(forward, core as number, action);
      else edits.push({ site: core as number, edit: action });
    }
  }
  const backward = new Map<number, AsyncHookFn[]>();
  for (const [where, action] of options.gradHooks ?? [])
    for (const { core, virtual: site } of space.select(where))
      if (site) virtual.of(site).gradHooks.push(requireGradient(site, action));
      else push(backward, core as number, action);
  const coreKeep = virtual.keep(keep, options.inclGrad === true);
  const entries = virtual.list();
  const plan = { names, forward, backward, keep: new Set(coreKeep), keepGrad: new Set(options.inclGrad ? coreKeep : []), virtual: entries };
  return { ...plan, edits: besideVirtual(edits, plan, options), ...(stop ? { stop } : {}) };
}

/** What happens at virtual activations, while a plan is made. */
class Entries {
  readonly #entries: Map<VirtualSite, VirtualEntry> = new Map();

  of(site: VirtualSite): VirtualEntry {
    const entry = this.#entries.get(site) ?? { site, edits: [], functions: [], gradHooks: [], keep: false, keepGrad: false };
    this.#entries.set(site, entry);
    return entry;
  }

  act(site: VirtualSite, action: AsyncHookFn | Edit): void {
    if (typeof action === "function") this.of(site).functions.push(action);
    else this.of(site).edits.push(action);
  }

  /** Marks what is kept; @returns the core sites among it. */
  keep(places: readonly HookPlace[], grad: boolean): number[] {
    for (const { virtual } of places) if (virtual) Object.assign(this.of(virtual), { keep: true, keepGrad: grad && virtual.after !== BEFORE });
    return places.flatMap((p) => (p.core === undefined ? [] : [p.core]));
  }

  /** @throws E_MODE for two that would both change the same input. */
  list(): VirtualEntry[] {
    const list = [...this.#entries.values()];
    const changing = new Set(list.filter(mayChange).map((e) => e.site.name));
    for (const { site } of list.filter(mayChange)) {
      const other = site.excludes.find((name) => changing.has(name));
      if (other !== undefined)
        throw new TritlensError("E_MODE", `"${site.name}" and "${other}" cannot be changed in one run`, {
          expected: "hooks at one of them: both are the input of the same heads",
          found: "hooks at both",
        });
    }
    return list;
  }
}

function requireGradient(site: VirtualSite, action: AsyncHookFn): AsyncHookFn {
  if (site.after !== BEFORE) return action;
  throw new TritlensError("E_MODE", `"${site.name}" has no gradient`, { expected: "a gradient hook at hook_embed", found: site.name });
}

/** Edits where a virtual change shows come behind it: they turn into functions, since the core's own edits come first. */
function besideVirtual(edits: readonly SiteEdit[], { virtual, forward, backward }: Omit<RunPlan, "edits">, options: PlanOptions): SiteEdit[] {
  const targets = new Set(virtual.filter(mayChange).flatMap((e) => e.site.targets));
  const late = edits.filter((e) => targets.has(e.site));
  const [ahead, behind] = [forward as Map<number, AsyncHookFn[]>, backward as Map<number, AsyncHookFn[]>];
  for (const { site, edit } of late.toReversed()) {
    ahead.set(site, [(value) => applyEdit(value, edit), ...(ahead.get(site) ?? [])]);
    if (options.inclGrad || options.paramGrads || options.gradHooks?.length) push(behind, site, (grad) => undoEdit(grad, edit));
  }
  return edits.filter((e) => !targets.has(e.site));
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** TransformerLens's stop_at_layer: blocks 0 .. layer-1 run; negative counts from the end. */
function stopSite(layer: number, names: readonly string[], layers: number): { site: number; before: boolean } {
  const k = layer < 0 ? layer + layers : layer;
  if (!Number.isInteger(k) || k < 0 || k > layers || layers === 0) {
    throw new TritlensError("E_RANGE", "stopAtLayer is outside of the model", {
      expected: `an integer in [${-layers}, ${layers}]`,
      found: String(layer),
    });
  }
  if (k === 0) return { site: names.indexOf("blocks.0.hook_resid_pre"), before: true };
  return { site: names.indexOf(`blocks.${k - 1}.hook_resid_post`), before: false };
}
