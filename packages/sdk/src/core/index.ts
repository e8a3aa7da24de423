/** The boundary to the Rust core: loading it, its interface, and errors. */
export {
  type Core,
  type CoreInfo,
  DONE,
  type InferencePlan,
  type PackedHandle,
  type PackedInfo,
  type Parallel,
  type ParamInfo,
  type ProgramHandle,
  type ProgramInfo,
  type RunHandle,
  type RunInfo,
  type SessionHandle,
  type SiteInfo,
  type SitePlace,
  type StoredInfo,
  type TrainerHandle,
  type TrainerInfo,
} from "./core.ts";
export { type ErrorCode, type ErrorDetails, editDistance, isDetached, nearestNames, requireAttached, TritlensError, unknownName } from "./errors.ts";
export type { Generated, GeneratedInstance } from "./instantiate.ts";
export { defaultCore, type LoadOptions, loadCore } from "./load.ts";
export { hasRelaxedSimd } from "./relaxed.ts";
