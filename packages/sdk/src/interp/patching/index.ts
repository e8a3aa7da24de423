/** Patching: which activations carry a behaviour. */
export { ActivationPatch, type ActivationPatchFields, ActivationPatchSet, positionLabels } from "./activation-patch.ts";
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
export { type MeasuredVariants, measureVariants, type SweepRunOptions } from "./measure.ts";
export { getActPatchAttnOut, getActPatchMlpOut, getActPatchResidMid, getActPatchResidPre } from "./residual.ts";
