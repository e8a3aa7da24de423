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
  code: string;
  message: string;
  expected: string | null;
  found: string | null;
}

/** Evaluations along training, arrays of one length. Epoch = optimiser step: training is full batch. */
export interface Curves {
  epoch: number[];
  train_loss: number[];
  test_loss: number[];
  train_accuracy: number[];
  test_accuracy: number[];
  /** Share of codes that changed a step since the evaluation before, by quantised matrix; empty in full precision. */
  flips: Record<string, number[]>;
  /** Seconds of training so far, pauses left out. */
  seconds: number[];
}

/** Progress measures at one snapshot. */
export interface ProgressPoint extends ModAddProgress {
  epoch: number;
}

/** One trained model. */
export interface RunResult {
  mode: string;
  seed: number;
  status: RunStatus;
  error: RunError | null;
  epochs: number;
  max_epochs: number;
  /** Seconds of training and of analysis. */
  train_seconds: number;
  analysis_seconds: number;
  /** First evaluated epoch with test accuracy of at least the grok threshold. */
  grok_epoch: number | null;
  curves: Curves;
  phases: Phases | null;
  progress: ProgressPoint[];
  analysis: ModAddAnalysis | null;
  /** Paths relative to the output folder. */
  checkpoint: string;
  pictures: string | null;
}

/** What was trained on. */
export interface TaskInfo {
  p: number;
  fraction: number;
  train_pairs: number;
  test_pairs: number;
  split: string;
  data_seed: number;
}

/** The hyperparameters that all runs share. */
export interface TrainingInfo {
  lr: number;
  weight_decay: number;
  beta1: number;
  beta2: number;
  eps: number;
  eval_every: number;
  hold_accuracy: number;
  hold_epochs: number;
  grok_accuracy: number;
}

/** The machine and the software. */
export interface EnvironmentInfo {
  tritlens: string;
  node: string;
  platform: string;
  cpu: string;
  cores: number;
  backend: string;
  isa: string;
  threads: number;
}

/** The whole file. */
export interface Results {
  schema: typeof RESULTS_SCHEMA;
  state: "running" | "stopped" | "complete";
  started: string;
  updated: string;
  command: string;
  task: TaskInfo;
  training: TrainingInfo;
  environment: EnvironmentInfo;
  runs: RunResult[];
  verdict: Verdict;
}

/** Empty curves. */
export function noCurves(): Curves {
  return { epoch: [], train_loss: [], test_loss: [], train_accuracy: [], test_accuracy: [], flips: {}, seconds: [] };
}
