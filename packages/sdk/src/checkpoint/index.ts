/** Checkpoints of other libraries: opening, loading, planning. */
export { ACTIVATION_KEY } from "./gguf/index.ts";
export { loadPretrained, type PretrainedOptions } from "./load.ts";
export type { CheckpointInput } from "./open.ts";
export { ARCHITECTURES, type Architecture } from "./recipe.ts";
