/**
 * `results.json`: every number of an experiment, full precision, snake_case (the analyses' fields keep the names of the reference implementation).
 * Pictures (heat maps, code images) lie beside each run's checkpoint and are named here.
 */
import type { ModAddAnalysis, ModAddProgress, Phases } from "../interp/index.ts";
import type { Verdict } from "./verdict/index.ts";

/** Schema of the file; a change of meaning changes the number. */
export const RESULTS_SCHEMA = "tritlens.results/1";

/** Where a run stands. `stopped`: by Ctrl-C, resumable. `diverged`: a loss was not finite. `failed`: any other error. */
export type RunStatus = "waiting" | "running" | "stopped" | "done" | "diverged" | "failed";

/** An error as data. */
export interface RunError {
  /** Stable code, `E_NONFINITE` and the like. */
  code: string;
  /** What went wrong. */
  message: string;
  /** What would have been right. */
  expected: string | null;
  /** What came instead. */
  found: string | null;
}

/** Evaluations along training, arrays of one length. Epoch = optimiser step: training is full batch. */
export interface Curves {
  /** Epochs, rising. */
  epoch: number[];
  /** Mean cross-entropy on the pairs trained on. */
  train_loss: number[];
  /** Mean cross-entropy on the others. */
  test_loss: number[];
  /** Share of the pairs trained on that are answered rightly. */
  train_accuracy: number[];
  /** Share of the others. */
  test_accuracy: number[];
  /** Share of codes that changed a step since the evaluation before, by quantised matrix; empty in full precision. */
  flips: Record<string, number[]>;
  /** Seconds of training so far, pauses left out. */
  seconds: number[];
}

/** Progress measures at one snapshot. */
export interface ProgressPoint extends ModAddProgress {
  /** Epoch of the snapshot. */
  epoch: number;
}

/** One trained model. */
export interface RunResult {
  /** Mode, see `LAB_MODES`. */
  mode: string;
  /** Seed of the initial weights. */
  seed: number;
  /** Where it stands. */
  status: RunStatus;
  /** Why it did not end well; null when it did. */
  error: RunError | null;
  /** Last evaluated epoch. */
  epochs: number;
  /** Limit. */
  max_epochs: number;
  /** Seconds of training. */
  train_seconds: number;
  /** Seconds of analysis. */
  analysis_seconds: number;
  /** First evaluated epoch with test accuracy of at least the grok threshold. */
  grok_epoch: number | null;
  /** Evaluations along training. */
  curves: Curves;
  /** Phases of training; null before the first evaluation. */
  phases: Phases | null;
  /** Progress measures at the snapshots; empty until the run is analysed. */
  progress: ProgressPoint[];
  /** Everything measured on the last checkpoint. */
  analysis: ModAddAnalysis | null;
  /** Checkpoint, relative to the output folder. */
  checkpoint: string;
  /** Pictures, relative to the output folder. */
  pictures: string | null;
}

/** What was trained on. */
export interface TaskInfo {
  /** Modulus. */
  p: number;
  /** Share of the pairs trained on. */
  fraction: number;
  /** Number of pairs trained on. */
  train_pairs: number;
  /** Number of the others. */
  test_pairs: number;
  /** How the pairs were split, in words. */
  split: string;
  /** Seed of the split. */
  data_seed: number;
}

/** The hyperparameters that all runs share. */
export interface TrainingInfo {
  /** Learning rate. */
  lr: number;
  /** Decoupled weight decay. */
  weight_decay: number;
  /** Decay of the first moment. */
  beta1: number;
  /** Decay of the second moment. */
  beta2: number;
  /** Added to the denominator. */
  eps: number;
  /** Epochs between evaluations. */
  eval_every: number;
  /** A run ends when test accuracy stayed at least this high ... */
  hold_accuracy: number;
  /** ... for so many epochs. */
  hold_epochs: number;
  /** Test accuracy that counts as grokked. */
  grok_accuracy: number;
}

/** The machine and the software. */
export interface EnvironmentInfo {
  /** Version of tritlens. */
  tritlens: string;
  /** Version of Node. */
  node: string;
  /** Operating system and processor family. */
  platform: string;
  /** Name of the processor. */
  cpu: string;
  /** Logical cores. */
  cores: number;
  /** `native` or `wasm`. */
  backend: string;
  /** Instruction set of the kernels. */
  isa: string;
  /** Threads of the core. */
  threads: number;
}

/** The whole file. */
export interface Results {
  /** Schema of the file. */
  schema: typeof RESULTS_SCHEMA;
  /** Whether the experiment goes on, was stopped, or is complete. */
  state: "running" | "stopped" | "complete";
  /** When it began (ISO 8601). */
  started: string;
  /** When this file was written (ISO 8601). */
  updated: string;
  /** The command that wrote it. */
  command: string;
  /** Task and split. */
  task: TaskInfo;
  /** Hyperparameters. */
  training: TrainingInfo;
  /** Machine and software. */
  environment: EnvironmentInfo;
  /** Every run, seed by seed. */
  runs: RunResult[];
  /** The verdict, in numbers and words. */
  verdict: Verdict;
}

/** Empty curves. */
export function noCurves(): Curves {
  return { epoch: [], train_loss: [], test_loss: [], train_accuracy: [], test_accuracy: [], flips: {}, seconds: [] };
}
