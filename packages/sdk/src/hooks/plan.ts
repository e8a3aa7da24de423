/** Turns the options of a call into what happens at each site. */
import { TritlensError } from "../core/errors.ts";
import type { AsyncHookFn, HookFn, RunPlan } from "./drive.ts";
import type { Edit, SiteEdit } from "./edit.ts";
import { type NameFilter, selectSites } from "./select.ts";

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
  readonly stopAtLayer?: number;
}

/** Resolves every name; nothing runs before all of them are known to exist. */
export function makePlan(options: PlanOptions, names: readonly string[], layers: number): RunPlan {
  const keep = options.names === undefined ? [] : selectSites(options.names, names);
  const stop = options.stopAtLayer === undefined ? undefined : stopSite(options.stopAtLayer, names, layers);
  const forward = new Map<number, AsyncHookFn[]>();
  const edits: SiteEdit[] = [];
  for (const [where, action] of options.hooks ?? []) {
    for (const site of selectSites(where, names)) {
      // Stopping ahead of a block means that its own input hooks do not run.
      if (stop?.before && stop.site === site) continue;
      if (typeof action === "function") push(forward, site, action);
      else edits.push({ site, edit: action });
    }
  }
  const backward = new Map<number, AsyncHookFn[]>();
  for (const [where, action] of options.gradHooks ?? []) for (const site of selectSites(where, names)) push(backward, site, action);
  return { names, forward, backward, edits, keep: new Set(keep), keepGrad: new Set(options.inclGrad ? keep : []), ...(stop ? { stop } : {}) };
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
