/** A metric over a sweep: one number a variant. What patching, ablations and searches for circuits share. */
import { type Model, type SweepProgress, type Tokens, TritlensError, type Variant } from "tritlens";
import { type MetricLike, metricValue, toMetric } from "tritlens/interp";

/** Options of everything that runs sweeps. */
export interface SweepRunOptions {
  /** Ends the sweep between two parts. */
  readonly signal?: AbortSignal;
  /** Return what is done when `signal` fires (NaN for the rest, `complete` false) instead of rejecting with E_ABORTED. */
  readonly stopOnAbort?: boolean;
  /** Called as variants are done. */
  readonly onProgress?: (progress: SweepProgress) => void;
  /** Most bytes of activations and logits at a time (see `SweepOptions`). */
  readonly budgetBytes?: number;
}

/** What {@link measureVariants} returns. */
export interface MeasuredVariants {
  /** The metric of the run without edits; NaN when the sweep was aborted before it. */
  readonly plain: number;
  /** The metric of every variant, [variant]; NaN for those that an abort left out. */
  readonly values: Float32Array;
  /** Variants done. */
  readonly done: number;
  /** Whether all are done. */
  readonly complete: boolean;
}

/**
 * The metric of the plain run and of every variant. Only the logits that the metric says it reads are computed.
 *
 * @throws What the metric throws; E_NONFINITE and E_SHAPE for a metric that is no finite number; E_ABORTED; what `Model.sweep` throws.
 */
export async function measureVariants(
  model: Model,
  tokens: Tokens,
  variants: readonly Variant[],
  metric: MetricLike,
  { stopOnAbort = false, ...options }: SweepRunOptions = {},
): Promise<MeasuredVariants> {
  const measured = toMetric(metric);
  const values = new Float32Array(variants.length).fill(Number.NaN);
  let [plain, done] = [Number.NaN, 0];
  try {
    if (options.signal?.aborted) throw new TritlensError("E_ABORTED", "the sweep was aborted", { cause: options.signal.reason });
    for await (const { index, logits } of model.sweep(tokens, variants, { ...options, ...measured.reads })) {
      const value = metricValue(measured, logits);
      if (index < 0) plain = value;
      else {
        values[index] = value;
        done++;
      }
    }
  } catch (error) {
    if (!(stopOnAbort && error instanceof TritlensError && error.code === "E_ABORTED")) throw error;
  }
  return { plain, values, done, complete: done === variants.length && !Number.isNaN(plain) };
}
