/** Checkpoints of other libraries: opening, loading, planning. */
export { ACTIVATION_KEY } from "./gguf/index.ts";
export { type InspectedWeight, type Inspection, type InspectOptions, inspect } from "./inspect.ts";
export { loadPretrained, type PretrainedOptions } from "./load.ts";
export type { CheckpointInput } from "./open.ts";
export { type CheckpointPlan, type PlanOptions, plan } from "./plan.ts";
export { ARCHITECTURES, type Architecture } from "./recipe.ts";
