/**
 * Drives a run through its hooks. Written once as generators: they yield what a hook returned, the caller (synchronous or asynchronous) sends back the
 * value to use.
 */
import { DONE } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { requireLength, Tensor } from "../tensor/index.ts";
import { GRAD } from "./cache.ts";
import type { SiteEdit } from "./edit.ts";
import type { Run } from "./run.ts";
import type { VirtualEntry, VirtualRun } from "./virtual/run.ts";

/** What a hook may return: nothing (it may have written in place), or a replacement of the same size. */
// biome-ignore lint/suspicious/noConfusingVoidType: hooks that only look are written as expressions, whose type is void
export type HookResult = Tensor | Float32Array | undefined | void;

/** Where a hook was called. */
export interface HookPoint {
  /** Canonical name of the activation. */
  readonly name: string;
  /** The run that called it. */
  readonly run: Run;
}

/** A hook. `value` is a live view: write into `value.data`, or return a replacement; keep values with `copy()`. */
export type HookFn = (value: Tensor, hook: HookPoint) => HookResult;

/** A hook that may be asynchronous. */
export type AsyncHookFn = (value: Tensor, hook: HookPoint) => HookResult | Promise<HookResult>;

/** What is to happen at each site, by site index. */
export interface RunPlan {
  readonly names: readonly string[];
  readonly forward: ReadonlyMap<number, readonly AsyncHookFn[]>;
  readonly backward: ReadonlyMap<number, readonly AsyncHookFn[]>;
  readonly edits: readonly SiteEdit[];
  /** Sites to keep in the cache. */
  readonly keep: ReadonlySet<number>;
  /** Sites whose gradients are kept. */
  readonly keepGrad: ReadonlySet<number>;
  /** Forward ends here; `before` says whether ahead of the site's hooks. */
  readonly stop?: { readonly site: number; readonly before: boolean };
  /** What happens at activations that are worked out. */
  readonly virtual: readonly VirtualEntry[];
}

/** Yields hook results, takes back the values to use. */
export type Steps<T> = Generator<unknown, T, HookResult>;

/** True when values cannot be copied after the run: somebody may change an activation while it runs. */
function changes(plan: RunPlan): boolean {
  return plan.forward.size > 0 || changesBack(plan) || plan.stop !== undefined;
}

/** True when gradients have to be copied as they pass. */
function changesBack(plan: RunPlan): boolean {
  return plan.backward.size > 0 || plan.edits.length > 0 || plan.virtual.length > 0;
}

/**
 * Forward to the end or to `plan.stop`; fills the cache. With hooks, activations are copied as they pass: a site may share its storage with the next
 * one (hook_resid_post and the following hook_resid_pre), and later hooks must not show in earlier names.
 *
 * @returns The residual stream at `plan.stop`, or undefined when the run went to its end.
 */
export function* forward(
  run: Run,
  plan: RunPlan,
  cache: Map<string, Tensor>,
  taps: ReadonlySet<number> = new Set(),
  virtual?: VirtualRun,
): Steps<Tensor | undefined> {
  const live = !run.retains || changes(plan);
  const pause = [...plan.forward.keys(), ...(live ? plan.keep : []), ...(plan.stop ? [plan.stop.site] : []), ...(virtual?.forwardSites ?? [])];
  run.setPause(pause, changesBack(plan) ? [...plan.backward.keys(), ...plan.keepGrad, ...(virtual?.backwardSites ?? [])] : []);
  run.setEdits(plan.edits);
  for (let site = run.step(); site !== DONE; site = run.step()) {
    if (plan.stop?.site === site && plan.stop.before) return run.copy(site, "value");
    virtual?.arrive(site);
    const hooks = plan.forward.get(site);
    if (hooks) {
      const call = new SiteCall(run, run.view(site, "value"), plan.names[site] as string);
      for (const hook of hooks) {
        const returned = call.begin(hook);
        if (returned !== undefined) {
          const result = yield returned;
          if (result !== undefined && taps.has(site)) throw readOnly(call.name);
          call.replace(result);
        }
        run.leaveHook();
      }
    }
    if (plan.keep.has(site)) cache.set(plan.names[site] as string, run.copy(site, "value"));
    if (virtual) yield* virtual.leave(site, cache);
    if (plan.stop?.site === site) return run.copy(site, "value");
  }
  if (!live) for (const site of plan.keep) cache.set(plan.names[site] as string, run.copy(site, "value"));
  return undefined;
}

/** The error for changing what only shows how a product is computed. */
export function readOnly(name: string): TritlensError {
  return new TritlensError("E_MODE", `"${name}" can be looked at only`, {
    expected: "an edit of hook_in or hook_out of the layer",
    found: "an edit of what lies between them",
  });
}

/** Backward to the end; fills the cache's gradients. The gradient must be seeded. */
export function* backward(run: Run, plan: RunPlan, cache: Map<string, Tensor>, virtual?: VirtualRun): Steps<void> {
  const live = changesBack(plan);
  for (let site = run.stepBack(); site !== DONE; site = run.stepBack()) {
    virtual?.arriveBack(site);
    const hooks = plan.backward.get(site);
    if (hooks) {
      const call = new SiteCall(run, run.view(site, "grad"), plan.names[site] as string);
      for (const hook of hooks) {
        const returned = call.begin(hook);
        if (returned !== undefined) call.replace(yield returned);
        run.leaveHook();
      }
    }
    if (plan.keepGrad.has(site)) cache.set(plan.names[site] + GRAD, run.copy(site, "grad"));
    if (virtual) yield* virtual.leaveBack(site, cache);
  }
  if (!live) for (const site of plan.keepGrad) cache.set(plan.names[site] + GRAD, run.copy(site, "grad"));
}

/** The hooks of one site being called. Inline in the loops above, because a generator of its own for each site costs more than most hooks. */
export class SiteCall {
  readonly name: string;
  readonly run: Run;
  readonly #value: Tensor;

  constructor(run: Run, value: Tensor, name: string) {
    this.run = run;
    this.name = name;
    this.#value = value;
  }

  /** Calls a hook; the run is busy until `leaveHook`, or for good when the hook throws, since the run ends then. */
  begin(hook: AsyncHookFn): unknown {
    this.run.enterHook();
    return hook(this.#value, this);
  }

  /** Puts what a hook returned in place of the value. */
  replace(result: HookResult): void {
    if (result === undefined) return;
    const data = result instanceof Tensor ? result.data : result;
    if (!(data instanceof Float32Array)) {
      throw new TritlensError("E_SHAPE", `the hook at "${this.name}" returned no tensor`, {
        expected: "nothing, a Tensor or a Float32Array",
        found: typeof result,
      });
    }
    requireLength(`what the hook at "${this.name}" returned`, this.#value.size, data.length);
    this.#value.data.set(data);
  }
}

/** Runs the generator with synchronous hooks. @throws E_MODE when a hook returns a promise. */
export function driveSync<T>(steps: Steps<T>): T {
  let next = steps.next();
  while (!next.done) {
    if (isPromise(next.value)) {
      const error = new TritlensError("E_MODE", "a hook returned a promise", {
        expected: "a synchronous hook, or runWithHooksAsync",
        found: "a promise",
      });
      next = steps.throw(error);
    } else next = steps.next(next.value as HookResult);
  }
  return next.value;
}

/** Runs the generator and awaits what hooks return. A rejection is thrown into it, so that `finally` blocks run. */
export async function driveAsync<T>(steps: Steps<T>): Promise<T> {
  let next = steps.next();
  while (!next.done) {
    let value: HookResult;
    try {
      value = (await next.value) as HookResult;
    } catch (error) {
      next = steps.throw(error);
      continue;
    }
    next = steps.next(value);
  }
  return next.value;
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | undefined)?.then === "function";
}
