/** What gradient methods share: a pair of prompts, and a run with the gradient of a metric. */
import { type CachedRun, type GradHook, type Hook, type Model, type NameFilter, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { type MetricLike, metricGrad, metricValue, readLogits, toMetric } from "tritlens/interp";

/** The run that is linearised: patches put activations of the other run into this one. */
export type PatchInto = "clean" | "corrupted";

/** The two prompts of a method, in its roles. */
export interface PromptPair {
  /** The run that is linearised and patched. */
  readonly base: Tokens;
  /** Where patched values come from. */
  readonly other: Tokens;
  /** Rows of activations: examples times positions. */
  readonly rows: number;
}

/**
 * Checks that two prompts can be compared position by position.
 *
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
  const rows = a.batch * a.pos;
  return into === "clean" ? { base: clean, other: corrupted, rows } : { base: corrupted, other: clean, rows };
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
      return metricGrad(full, all);
    },
  });
  return { ...run, value };
}

/** @throws E_ABORTED when the signal was given. */
export function requireGoing(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new TritlensError("E_ABORTED", `${what} was aborted`, { cause: signal.reason });
}
