/** Running models: caches, hooks, edits and weights. */
export { ActivationCache } from "./cache.ts";
export type { AsyncHookFn, HookFn, HookPoint, HookResult } from "./drive.ts";
export type { Box, Edit, EditValue } from "./edit.ts";
export { type AsyncRunOptions, type CachedRun, type CacheOptions, type Loss, Model, type ModelOptions, type RunOptions } from "./model.ts";
export type { AsyncGradHook, AsyncHook, GradHook, Hook } from "./plan.ts";
export { Run, type Side } from "./run.ts";
export { type NameFilter, selectSites } from "./select.ts";
export { type TokenRows, type Tokens, toTokenRows } from "./tokens.ts";
export type { WeightCodes, WeightOptions } from "./weights.ts";
