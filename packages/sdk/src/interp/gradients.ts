/** What gradient methods share: a pair of prompts, and a run with the gradient of a metric. */
import {
  type ActivationCache,
  type CachedRun,
  type GradHook,
  type Hook,
  type Model,
  type NameFilter,
  Tensor,
  type Tokens,
  TritlensError,
  toTokenRows,
} from "tritlens";
import { type MetricLike, metricGrad, metricValue, readLogits, toMetric } from "tritlens/interp";

/** The run that is linearised: patches put activations of the other run into this one. */
export type PatchInto = "clean" | "corrupted";

/** The two prompts of a method, in its roles. */
export interface PromptPair {
  /** The run that is linearised and patched. */
  readonly base: Tokens;
  /** Where patched values come from. */
  readonly other: Tokens;
  /** Number of examples. */
  readonly batch: number;
  /** Tokens of an example. */
  readonly pos: number;
}

/**
 * Checks that two prompts can be compared position by position.
 *
 * @param clean - Prompts [batch, pos].
 * @param corrupted - Prompts of the same size.
 * @throws E_SHAPE for another number of examples or positions, E_RANGE for an unknown `into`.
 */
export function promptPair(clean: Tokens, corrupted: Tokens, into: PatchInto): PromptPair {
  const [a, b] = [toTokenRows(clean), toTokenRows(corrupted)];
  if (a.batch !== b.batch || a.pos !== b.pos)
    throw new TritlensError("E_SHAPE", "the clean and the corrupted prompts have different sizes", {
      expected: `[batch ${a.batch}, pos ${a.pos}]`,
      found: `[batch ${b.batch}, pos ${b.pos}]`,
    });
  if (into !== "clean" && into !== "corrupted")
    throw new TritlensError("E_RANGE", "wrong option into", { expected: "clean or corrupted", found: String(into) });
  const { batch, pos } = a;
  return into === "clean" ? { base: clean, other: corrupted, batch, pos } : { base: corrupted, other: clean, batch, pos };
}

/** Activations by name: a cache, or some of its examples. */
export type Activations = Pick<ActivationCache, "get">;

/** Examples [from, to) of a cache, [batch, ...] each, without copying them: what is written into them is written into the cache. */
export function examplesOf(cache: Activations, from: number, to: number): Activations {
  return {
    get: (name) => {
      const whole = cache.get(name);
      const { data, shape, axes } = whole;
      if (from === 0 && to === shape[0]) return whole;
      const per = data.length / (shape[0] as number);
      return Tensor.from(data.subarray(from * per, to * per), [to - from, ...shape.slice(1)], axes);
    },
  };
}

/** Index of the first number that is NaN or infinite; -1 when all are finite. */
export function firstNonFinite(x: Float32Array): number {
  // A plain loop: gradients of logits are large, and a closure for each number takes several times as long.
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i])) return i;
  return -1;
}

/** Options of {@link metricRun}. */
export interface MetricRunOptions {
  /** Activations to keep, each with its gradient under the name with `_grad`. */
  readonly names: NameFilter;
  /** Hooks on activations. */
  readonly hooks?: readonly Hook[];
  /** Hooks on gradients. */
  readonly gradHooks?: readonly GradHook[];
}

/** A run with the gradient of a metric. */
export interface MetricRun extends CachedRun {
  /** The metric's value in this run. */
  readonly value: number;
}

/**
 * Runs forward, takes the metric, and runs its gradient backward.
 *
 * @param tokens - Prompts [batch, pos].
 * @returns Logits [batch, pos, class], the cache, and the metric's value.
 * @throws E_MODE for a metric without a gradient, E_NONFINITE when it is NaN, E_NAME for unknown activations; what the metric throws passes through.
 */
export function metricRun(model: Model, tokens: Tokens, metric: MetricLike, options: MetricRunOptions): MetricRun {
  const full = toMetric(metric);
  let value = Number.NaN;
  const run = model.runWithCache(tokens, {
    ...options,
    inclGrad: true,
    loss: (logits) => {
      // A model that reads out the last position only has one position.
      const all = logits.shape.length === 3 ? logits : logits.reshape([logits.shape[0] ?? 0, 1, logits.shape[1] ?? 0], ["batch", "pos", "class"]);
      value = metricValue(full, readLogits(full, all));
      const grad = metricGrad(full, all);
      const wrong = firstNonFinite(grad);
      if (wrong < 0) return grad;
      const found = String(grad[wrong]);
      throw new TritlensError("E_NONFINITE", `the gradient of the metric "${full.name}" is not finite`, { expected: "finite numbers", found });
    },
  });
  return { ...run, value };
}
