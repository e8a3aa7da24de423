/** Data, training and checkpoints. */
export { type Checkpoint, type ForeignOptions, type PendingSteps, parseCheckpoint, serializeCheckpoint, type TrainingState } from "./checkpoint.ts";
export {
  type DataDescription,
  dataFromDescription,
  type Examples,
  type ModularAddition,
  type ModularAdditionOptions,
  modularAddition,
  type SplitKind,
  type TokenBatch,
  type TrainingData,
} from "./data.ts";
export { loadCheckpoint, modelFromCheckpoint, saveCheckpoint } from "./files.ts";
export type { LiArguments, LiRun } from "./foreign.ts";
export { Mt19937, pythonShuffle, torchPermutation } from "./mt19937.ts";
export type { OptimizerConfig, OptimizerOptions, ScheduleKind } from "./options.ts";
export { nextTokens } from "./text.ts";
export { type CheckpointExtra, type CheckpointOptions, type Evaluation, type TrainEvent, type TrainOptions, train, type Until } from "./train.ts";
