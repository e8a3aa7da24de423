/** Circuits: sets of edges that run as models. */
export { type AblatedValue, type AblatedValues, ablatedValues, type CircuitAblation } from "./ablated.ts";
export { type AcdcOptions, AcdcResult, type AcdcStep, acdc } from "./acdc.ts";
export {
  Circuit,
  type CircuitEdge,
  type CircuitJson,
  type CircuitNode,
  type GraphShape,
  nodeLabel,
  outDegrees,
  requireSameGraph,
} from "./circuit.ts";
export { CircuitCurve, type CurveOptions, faithfulnessCurve } from "./curve.ts";
export {
  Completeness,
  completeness,
  Faithfulness,
  type FaithfulnessOptions,
  faithfulness,
  type KnockedOut,
  Minimality,
  minimality,
  type NeededPart,
} from "./faithfulness.ts";
export { CircuitRunner, type CircuitRunOptions, type CircuitWatch, type EdgeSet, isAbort } from "./runner.ts";
export { greedyEdges, type ScoredEdges, type SelectOptions, topEdges, topNodes } from "./select.ts";
export {
  type ViewerGraph,
  type ViewerLink,
  type ViewerMetadata,
  type ViewerNode,
  type ViewerOptions,
  type ViewerState,
  viewerGraph,
} from "./viewer.ts";
