/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */

export { Adam, type AdamOptions } from "./adam.ts";
export { type AtpStarInfo, type AtpStarKind, type AtpStarOptions, AtpStarScores, atpStar } from "./atp-star.ts";
export { type AttentionFix, attentionFix, attentionSites } from "./attention-fix.ts";
export { type AttributionOptions, attributionPatch, NodeAttribution } from "./attribution-patching.ts";
export { requireChoice } from "./choice.ts";
export * from "./circuits/index.ts";
export { Das, type DasAccuracy, type DasData, type DasOptions, fitDas } from "./das.ts";
export { type DirectLogitOptions, DirectLogits, directLogitAttribution, type LogitShare } from "./direct-logit-attribution.ts";
export { addEdgeScores, type EapOptions, type EdgeRuns, type EdgeScoresPart, eap, otherCache, requireFinite } from "./eap.ts";
export { type EapIgOptions, eapIg } from "./eap-ig.ts";
export { EdgeScores, type EdgeScoresInfo, ScoreComparison, type ScoredEdge } from "./edge-scores.ts";
export { type ExactEdgeOptions, edgeEdits, exactEdgeScores } from "./exact-edges.ts";
export { type ExamplePart, type ExamplePartOptions, exampleParts } from "./example-parts.ts";
export { type DataRange, exchangeSubspace, rowsAtPlace, type VectorPlace } from "./exchange.ts";
export {
  type Activations,
  examplesOf,
  firstNonFinite,
  type MetricRun,
  type MetricRunOptions,
  metricRun,
  type PatchInto,
  type PromptPair,
  promptPair,
} from "./gradients.ts";
export { type GraphEdge, type GraphNode, ModelGraph, modelGraph, type Receiver, type Sender } from "./graph.ts";
export { type LensOptions, LensReading, type ResidualStream, readLens } from "./lens-reading.ts";
export { type LensQuestion, type LensStatistics, lensStatistics } from "./lens-statistics.ts";
export { type LogisticOptions, logistic } from "./logistic.ts";
export {
  countClasses,
  fitLogisticProbe,
  LogisticProbe,
  type LogisticProbeOptions,
  majorityShare,
  probeAccuracy,
} from "./logistic-probe.ts";
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
export { type MinimizeOptions, minimize, type ValueAndGrad, type ValueWithGrad } from "./minimize.ts";
export * from "./modadd/index.ts";
export * from "./packed/index.ts";
export * from "./patching/index.ts";
export { permutation } from "./permutation.ts";
export {
  compareWithControls,
  exampleRows,
  labelShuffle,
  type ProbeControl,
  type ProbeOptions,
  type ProbeSplit,
  probeChart,
  requireControls,
  requireFeatures,
  splitExamples,
} from "./probe-control.ts";
export { spearman } from "./rank-correlation.ts";
export { Readout, type ReadoutDirection } from "./readout.ts";
export { type ReceiverGradients, receiverGradients, receiverSites } from "./receiver-gradients.ts";
export { type AffineMap, applyAffine, type RidgeOptions, ridge } from "./ridge.ts";
export { fitRidgeProbe, RidgeProbe, type RidgeProbeOptions } from "./ridge-probe.ts";
export { senderOutputs, senderSites } from "./sender-outputs.ts";
export { placeOfSite, positionsOf, type SitePart, siteActivations, type VectorSite } from "./site-activations.ts";
export { fitSparseProbes, type SparseProbe, type SparseProbeOptions, SparseProbes } from "./sparse-probe.ts";
export { type SteeringOptions, SteeringVector, steer, steeringVector } from "./steering.ts";
export { orthonormalBasis, projectionKernel } from "./subspace.ts";
export { type TunedLensOptions, trainTunedLens } from "./train-tuned-lens.ts";
export { type LensQuality, TunedLens, translate } from "./tuned-lens.ts";
export * from "./weights/index.ts";
export { requireGoing, Work, type WorkOptions } from "./work.ts";
