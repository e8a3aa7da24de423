/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */
export * from "./circuits/index.ts";
export { type GraphEdge, type GraphNode, ModelGraph, modelGraph, type Receiver, type Sender } from "./graph.ts";
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
