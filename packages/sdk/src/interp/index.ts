/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */
export { Adam, type AdamOptions } from "./adam.ts";
export { type DirectLogitOptions, DirectLogits, directLogitAttribution } from "./direct-logit-attribution.ts";
export { type LensOptions, LensReading, type ResidualStream, readLens } from "./lens-reading.ts";
export { type LensQuestion, type LensStatistics, lensStatistics } from "./lens-statistics.ts";
export { logitLens, type ResidualStreamOptions, residualStream } from "./logit-lens.ts";
export { type HalfBlock, matrixInput, matrixInputSite, outputMatrix } from "./matrix-input.ts";
export {
  logitDiff,
  logProb,
  type Metric,
  type MetricLike,
  type MetricReads,
  metricGrad,
  metricValue,
  normalized,
  readLogits,
  toMetric,
} from "./metrics.ts";
export * from "./modadd/index.ts";
export { permutation } from "./permutation.ts";
export { Readout, type ReadoutDirection } from "./readout.ts";
export { type AffineMap, applyAffine, type RidgeOptions, ridge } from "./ridge.ts";
export { type TunedLensOptions, trainTunedLens } from "./train-tuned-lens.ts";
export { type LensQuality, TunedLens, translate } from "./tuned-lens.ts";
export { Work, type WorkOptions } from "./work.ts";
