/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */
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
export * from "./patching/index.ts";
export * from "./packed/index.ts";
export * from "./weights/index.ts";
