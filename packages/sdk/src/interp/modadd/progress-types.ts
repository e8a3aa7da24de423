import type { ModAddAnalysis } from "./types.ts";

/** Progress measures of one checkpoint (Nanda 2023, section 5.1), for given key frequencies: the fields of the full analysis that are cheap. */
export type ModAddProgress = Pick<
  ModAddAnalysis,
  | "train_loss"
  | "test_loss"
  | "all_loss"
  | "train_accuracy"
  | "test_accuracy"
  | "restricted_loss"
  | "excluded_loss"
  | "cos_coefficients"
  | "cos_similarity"
  | "logit_share"
  | "logit_fve_key"
  | "embedding_gini"
  | "unembed_gini"
  | "sum_squared_weights"
  | "sum_squared_total"
  | "zeros"
>;

/** Curves that phases are read from: arrays of one length, one entry a checkpoint. */
export interface PhaseCurves {
  /** Epochs of the checkpoints, rising. */
  epoch: readonly number[];
  /** Loss on the training pairs. */
  train_loss: readonly number[];
  /** Loss on the other pairs. */
  test_loss: readonly number[];
  /** Accuracy on the training pairs; with it, memorised means 99 % of them right instead of a small loss. */
  train_accuracy?: readonly number[];
  /** Accuracy on the other pairs; with it, cleanup ends when 99 % of them are right. */
  test_accuracy?: readonly number[];
  /** Excluded loss on the training pairs; may be empty. */
  excluded_loss: readonly number[];
  /** Restricted loss on all pairs; no rule uses it yet. */
  restricted_loss: readonly number[];
  /** Sum of squared weights; no rule uses it yet. */
  sum_squared_total: readonly number[];
}

/** Phases of training by stated rules; an epoch is null when its rule never holds. */
export interface Phases {
  /** First epoch with training accuracy of at least 99 % (without accuracies: loss below 1 % of ln p). Memorisation is 0 up to here. */
  memorised: number | null;
  /**
   * Epoch of the smallest excluded loss up to `cleanup_end`: from here on the training pairs are carried more and more by the key frequencies, and removing
   * them hurts. Null when no excluded loss was measured.
   */
  excluded_minimum: number | null;
  /** First epoch at or after which test loss falls below half of its maximum so far. Circuit formation lies between `memorised` and here. */
  cleanup_start: number | null;
  /** First epoch with test accuracy of at least 99 % (without accuracies: loss below 1 % of ln p). Cleanup lies between `cleanup_start` and here; stable after. */
  cleanup_end: number | null;
  /** The rules in words, for the report. */
  rules: string[];
}
