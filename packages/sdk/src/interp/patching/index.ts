/** Patching: which activations, and which paths between them, carry a behaviour. */
export { ActivationPatch, type ActivationPatchFields, ActivationPatchSet, positionLabels } from "./activation-patch.ts";
export { answerAccuracy, answerProbability } from "./answer-metrics.ts";
export { type Frozen, pathCarrier } from "./carry.ts";
export { type CausalTraceOptions, causalTrace, type TracedKind } from "./causal-trace.ts";
export { CausalTrace, type CausalTraceFields } from "./causal-trace-result.ts";
export { type DirectPathFromOptions, type DirectPathOptions, getActPatchDirectPath, getActPatchDirectPathAllSources } from "./direct-path.ts";
export { getActPatchAttnHeadAllPosEvery, getActPatchAttnHeadByPosEvery, getActPatchBlockEvery } from "./every.ts";
export { type GenericPatchOptions, genericActivationPatch, type PatchOptions, type PatchPlace, type PatchSetter, patchPlaces } from "./generic.ts";
export {
  getActPatchAttnHeadKAllPos,
  getActPatchAttnHeadOutAllPos,
  getActPatchAttnHeadPatternAllPos,
  getActPatchAttnHeadQAllPos,
  getActPatchAttnHeadVAllPos,
} from "./heads.ts";
export {
  getActPatchAttnHeadKByPos,
  getActPatchAttnHeadOutByPos,
  getActPatchAttnHeadPatternByPos,
  getActPatchAttnHeadPatternDestSrcPos,
  getActPatchAttnHeadQByPos,
  getActPatchAttnHeadVByPos,
} from "./heads-by-pos.ts";
export { type Alignment, type InterchangedPlace, interchange } from "./interchange.ts";
export { Interchange, type InterchangeFields } from "./interchange-result.ts";
export { type MeasuredVariants, measureVariants, type SweepRunOptions } from "./measure.ts";
export { type PathPatchOptions, pathPatch } from "./path-patch.ts";
export { DirectPathPatch, type DirectPathPatchFields, PathPatch, type PathPatchFields } from "./path-results.ts";
export { cutBox, firingOf, headPlaces, type Place, placeLabel } from "./places.ts";
export { getActPatchAttnOut, getActPatchMlpOut, getActPatchResidMid, getActPatchResidPre } from "./residual.ts";
