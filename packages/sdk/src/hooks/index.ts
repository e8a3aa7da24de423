/** Running models: caches, hooks, edits and weights. */

export type { CacheSaveOptions, CacheTarget } from "./cache/file.ts";
export type { ApplyLnOptions } from "./cache/ln.ts";
export type { LogitAttrOptions, LogitLensOptions, TokenChoice } from "./cache/logits.ts";
export type { NeuronOptions, NeuronStackOptions } from "./cache/neurons.ts";
export type { StackOptions } from "./cache/remainder.ts";
export type { AccumulatedOptions, DecomposeOptions, FullDecompositionOptions } from "./cache/residual.ts";
export type { CacheSlice } from "./cache/slice.ts";
export { ResidualStack } from "./cache/stack.ts";
export type { PosSlice } from "./cache/view.ts";
export { ActivationCache } from "./cache.ts";
export type { CheckpointInfo, CheckpointWeight } from "./checkpoint.ts";
export type { AsyncHookFn, HookFn, HookPoint, HookResult } from "./drive.ts";
export type { AblationEdit, Box, Edit, EditPlace, EditValue, FreezeEdit, PatchEdit, ProjectEdit, ScaleEdit, SiteEdit, ValueEdit } from "./edit.ts";
export type { Generation } from "./generation.ts";
export { type MemoryOptions, type MemoryPlan, planMemory, requireBudget } from "./memory.ts";
export { Model } from "./model.ts";
export type {
  AsyncRunOptions,
  CachedRun,
  CacheOptions,
  GradientLoss,
  Loss,
  ModelOptions,
  RunOptions,
  SpecOptions,
  TargetLoss,
} from "./options.ts";
export type { AsyncGradHook, AsyncHook, GradHook, Hook } from "./plan.ts";
export { centerUnembed, centerWritingWeights, foldLn } from "./process.ts";
export { Run, RunLayouts, type Side } from "./run.ts";
export { type NameFilter, selectSites } from "./select.ts";
export { type AsyncSessionRunOptions, Session, type SessionOptions, type SessionRun, type SessionRunOptions } from "./session.ts";
export type { SweepOptions, SweepProgress, SweepRun, Variant } from "./sweep.ts";
export { type FlatTokens, type TokenRows, type Tokens, toTokenRows } from "./tokens.ts";
export { WeightViews } from "./views.ts";
export type { PackedWeight, WeightCodes, WeightOptions } from "./weights.ts";
