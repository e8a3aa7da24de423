/**
 * What the experiment needs of training and analysis, and no more. The real one (engine-sdk.ts) uses the SDK; tests of resuming, failing and
 * stopping use a made-up one that needs no core.
 */
import type { ModAddAnalysis, ModAddPictures, ModAddProgress } from "../interp/index.ts";
import type { RunFolder } from "./folder.ts";
import type { Plan, PlannedRun } from "./options.ts";
import type { EnvironmentInfo, TaskInfo } from "./results.ts";

/** One evaluation during training. */
export interface Evaluation {
  epoch: number;
  train_loss: number;
  test_loss: number;
  train_accuracy: number;
  test_accuracy: number;
  /** Share of codes that changed a step since the evaluation before, by quantised matrix. */
  flips: Record<string, number>;
}

/** A model in training. */
export interface EngineRun {
  /**
   * Trains up to `maxEpochs`, from the checkpoint in the run's folder when there is one, and yields an evaluation at every multiple of the plan's
   * `eval_every`, the first at epoch 0. Parameters are those of the evaluation while the consumer holds it. A checkpoint of epoch s is written only
   * after the evaluation of s was consumed.
   */
  train(signal: AbortSignal | undefined): AsyncIterable<Evaluation>;
  /** Saves the parameters alone. */
  snapshot(path: string): Promise<void>;
  /** Reads the parameters that `snapshot` saved. */
  restore(path: string): Promise<void>;
  /** Every analysis of the present parameters, with the untrained network of the same seed as baseline. */
  analyse(): Promise<{ analysis: ModAddAnalysis; pictures: ModAddPictures }>;
  /** Progress measures of the present parameters for given key frequencies. */
  progress(keys: readonly number[]): Promise<ModAddProgress>;
  /** Frees what the core holds. */
  close(): void;
}

/** Makes models to train. */
export interface Engine {
  readonly environment: EnvironmentInfo;
  /** Sizes and name of the split. */
  task(plan: Plan): TaskInfo;
  open(run: PlannedRun, plan: Plan, folder: RunFolder): Promise<EngineRun>;
}
