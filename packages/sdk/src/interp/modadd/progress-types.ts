import type { SplitLoss } from "./types.ts";

/** Progress measures of one checkpoint (Nanda 2023, section 5.1), for given key frequencies. */
export interface ModAddProgress {
  train_loss: number;
  test_loss: number;
  all_loss: number;
  train_accuracy: number;
  test_accuracy: number;
  restricted_loss: SplitLoss;
  excluded_loss: SplitLoss;
  /** By key frequency: <L, t_k>, t_k = cos(w_k(a+b-c)) of unit norm. */
  cos_coefficients: Record<string, number>;
  cos_similarity: Record<string, number>;
  /** By key frequency: share of the centred logits. */
  logit_share: Record<string, number>;
  logit_fve_key: number;
  embedding_gini: number;
  unembed_gini: number;
  sum_squared_weights: Record<string, number>;
  sum_squared_total: number;
  /** Share of zero codes by quantised matrix. */
  zeros: Record<string, number>;
}

/** Curves that phases are read from: arrays of one length, one entry a checkpoint. `excluded_loss` may be empty; the rules do not use the last two yet. */
export interface PhaseCurves {
  epoch: readonly number[];
  train_loss: readonly number[];
  test_loss: readonly number[];
  excluded_loss: readonly number[];
  restricted_loss: readonly number[];
  sum_squared_total: readonly number[];
}

/** Phases of training by stated rules; an epoch is null when its rule never holds. */
export interface Phases {
  /** First epoch with training loss below 1 % of ln p. Memorisation is 0 up to here. */
  memorised: number | null;
  /**
   * Epoch of the smallest excluded loss up to `cleanup_end`: from here on the training pairs are carried more and more by the key frequencies, and removing
   * them hurts. Null when no excluded loss was measured.
   */
  excluded_minimum: number | null;
  /** First epoch at or after which test loss falls below half of its maximum so far. Circuit formation lies between `memorised` and here. */
  cleanup_start: number | null;
  /** First epoch with test loss below 1 % of ln p. Cleanup lies between `cleanup_start` and here; stable after. */
  cleanup_end: number | null;
  /** The rules in words, for the report. */
  rules: string[];
}
