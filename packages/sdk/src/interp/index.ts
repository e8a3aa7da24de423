/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */
export { type AtpStarKind, type AtpStarOptions, AtpStarScores, atpStar } from "./atp-star.ts";
export { type AttentionFix, attentionFix, attentionSites } from "./attention-fix.ts";
export { type AttributionOptions, attributionPatch, NodeAttribution } from "./attribution-patching.ts";
export { addEdgeScores, type EapOptions, type EdgeRuns, type EdgeScoresPart, eap, otherCache, requireFinite } from "./eap.ts";
export { type EapIgOptions, eapIg } from "./eap-ig.ts";
export { EdgeScores, type EdgeScoresInfo, ScoreComparison, type ScoredEdge } from "./edge-scores.ts";
export { type ExactEdgeOptions, edgeEdits, exactEdgeScores } from "./exact-edges.ts";
export {
  type Activations,
  examplesOf,
  type MetricRun,
  type MetricRunOptions,
  metricRun,
  type PatchInto,
  type PromptPair,
  promptPair,
  requireGoing,
} from "./gradients.ts";
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
export { spearman } from "./rank-correlation.ts";
export { type ReceiverGradients, receiverGradients, receiverSites } from "./receiver-gradients.ts";
export { senderOutputs, senderSites, transposed } from "./sender-outputs.ts";
