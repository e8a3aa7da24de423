/** Progress measures (Nanda 2023, section 5.1) of one checkpoint: the cheap path for analysing many along training. */
import { additionAccuracy, additionLoss } from "../math/cross-entropy.ts";
import { rowNorms } from "../math/fourier.ts";
import { gini } from "../math/statistics.ts";
import { checkArray, checkFrequencies, checkModulus, checkTrainIndices, checkWeights } from "./check.ts";
import { squaredWeights, zeroShares } from "./codes.ts";
import { type CosineFit, cosCoefficient, cosSimilarity, fitCosines } from "./logit-fit.ts";
import { type LogitActivations, type PreparedLogits, prepareLogits } from "./prepare.ts";
import { excludedLoss, restrictedLoss } from "./restricted.ts";
import type { ModAddProgress } from "./types.ts";
import { record } from "./unembed.ts";

/**
 * Measures one checkpoint. About 150 ms at p = 113.
 *
 * @param acts - Logits [pair, cls] and weights; neurons are not needed.
 * @param keyFrequencies - From the final model, applied to every checkpoint (as the paper does).
 * @throws TritlensError E_RANGE for a frequency outside 1..floor((p-1)/2), E_SHAPE, E_NONFINITE.
 */
export function progressMeasures(acts: LogitActivations, keyFrequencies: readonly number[]): ModAddProgress {
  checkModulus(acts.p);
  checkTrainIndices(acts.p, acts.trainIndices);
  checkArray("logits", acts.logits, acts.p ** 3, "[p*p, p]");
  checkWeights(acts.weights);
  const ks = checkFrequencies(acts.p, keyFrequencies);
  const prepared = prepareLogits(acts);
  const fit = fitCosines(acts.logits, prepared.logitSums.sum, acts.p);
  return {
    ...lossesAndAccuracies(prepared),
    restricted_loss: restrictedLoss(prepared, ks),
    excluded_loss: excludedLoss(prepared, ks),
    ...cosines(fit, ks, acts.p),
    ...ginis(prepared, acts.dModel, acts.dMlp),
    ...squaredWeights(acts.weights),
    zeros: zeroShares(acts.weights),
  };
}

/** Losses and accuracies on both sides of the split. */
export function lossesAndAccuracies({
  logits,
  p,
  mask,
}: PreparedLogits): Pick<ModAddProgress, "train_loss" | "test_loss" | "all_loss" | "train_accuracy" | "test_accuracy"> {
  const loss = additionLoss(logits, p, mask);
  const accuracy = additionAccuracy(logits, p, mask);
  return { train_loss: loss.train, test_loss: loss.test, all_loss: loss.all, train_accuracy: accuracy.train, test_accuracy: accuracy.test };
}

/** Everything measured along cos(w_k(a+b-c)), by key frequency. */
export function cosines(
  fit: CosineFit,
  ks: readonly number[],
  p: number,
): Pick<ModAddProgress, "cos_coefficients" | "cos_similarity" | "logit_share" | "logit_fve_key"> {
  return {
    cos_coefficients: record(ks, (k) => cosCoefficient(fit, k, p)),
    cos_similarity: record(ks, (k) => cosSimilarity(fit, k, p)),
    logit_share: record(ks, (k) => fit.share[k - 1]),
    logit_fve_key: ks.reduce((sum, k) => sum + fit.share[k - 1], 0),
  };
}

/** Gini coefficients of the non-constant Fourier row norms of W_E and of W_L. */
export function ginis(
  { embeddingHat, wlHat, p }: PreparedLogits,
  dModel: number,
  dMlp: number,
): Pick<ModAddProgress, "embedding_gini" | "unembed_gini"> {
  return { embedding_gini: gini(rowNorms(embeddingHat, p, dModel).subarray(1)), unembed_gini: gini(rowNorms(wlHat, p, dMlp).subarray(1)) };
}
