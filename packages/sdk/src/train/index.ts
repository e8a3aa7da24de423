/** Data, training and checkpoints. */
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
export { Mt19937, pythonShuffle, torchPermutation } from "./mt19937.ts";
