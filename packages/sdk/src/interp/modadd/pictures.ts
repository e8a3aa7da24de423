/** The arrays a report draws, made from the same findings as the numbers. */

import { answer } from "../math/cross-entropy.ts";
import { principalComponents, singularValues } from "../math/eigen.ts";
import { mod } from "../math/fourier.ts";
import { mean } from "../math/statistics.ts";
import { type Findings, findings } from "./analyze.ts";
import { headScores, scoreSpectra } from "./attention.ts";
import { correctLogits } from "./clock-pizza.ts";
import { embeddingSpectra, keyGram } from "./embedding-svd.ts";
import type { ModAddActivations, ModAddOptions } from "./input.ts";
import { fittedOffsets, sumByOffset } from "./logit-fit.ts";
import { neuronPhases } from "./phases-of-neurons.ts";
import { circleOf } from "./picture-circles.ts";
import { attentionMaps, codeImages, neuronMaps, neuronSpectrum } from "./picture-maps.ts";
import { heatMap, histogram, roundAll, spectrum } from "./picture-parts.ts";
import type { ModAddPictures } from "./pictures-types.ts";
import type { Prepared } from "./prepare.ts";

/** Principal components shown. */
const COMPONENTS = 16;

/** Draws everything. About 0.3 s at p = 113. */
export function pictures(found: Findings): ModAddPictures {
  const { prepared, ks } = found;
  const { acts, p } = prepared;
  return {
    mode: acts.mode,
    p,
    key_frequencies: ks,
    ...embeddingPictures(found),
    ...logitPictures(found),
    ...neuronPictures(found),
    attention: attentionMaps(acts),
    attention_scores: scoreSpectra(headScores(acts), prepared.basis, p, acts.heads).map(roundAll),
    train: heatMap(p, p, prepared.mask),
    codes: codeImages(acts.weights),
  };
}

/**
 * Draws activations from anywhere.
 *
 * @throws TritlensError E_RANGE, E_SHAPE, E_NONFINITE, E_DETACHED, E_NAME for input that does not fit.
 */
export function drawActivations(acts: ModAddActivations, options: ModAddOptions = {}): ModAddPictures {
  return pictures(findings(acts, options));
}

function embeddingPictures({
  prepared,
  ks,
}: Findings): Pick<
  ModAddPictures,
  "embedding_spectrum" | "unembed_spectrum" | "circles" | "pca_share" | "singular_values" | "unembed_singular_values" | "gram"
> {
  const { acts, p } = prepared;
  const embedding = acts.weights.W_E.effective;
  const components = principalComponents(embedding, p, acts.dModel);
  const values = embeddingSpectra(embedding, p, acts.dModel);
  const gram = keyGram(prepared, ks);
  return {
    embedding_spectrum: spectrum(prepared.embeddingHat, p, acts.dModel),
    unembed_spectrum: spectrum(prepared.wlHat, p, acts.dMlp),
    circles: ks.map((k) => circleOf(k, components, prepared)),
    pca_share: roundAll(components.share.subarray(0, COMPONENTS)),
    singular_values: { embedding: roundAll(values.embedding), random: roundAll(values.random) },
    unembed_singular_values: roundAll(singularValues(prepared.wl, p, acts.dMlp)),
    gram: { labels: gram.labels, map: heatMap(gram.labels.length, gram.labels.length, gram.cosine) },
  };
}

function logitPictures({
  prepared,
  fit,
  ks,
  logitNorms,
}: Findings): Pick<ModAddPictures, "logit_share" | "logit_spectrum" | "correct_logit" | "correct_logit_by_distance" | "margin" | "logit_by_offset"> {
  const { acts, p, logitSums } = prepared;
  const correct = correctLogits(acts.logits, p);
  const offsets = sumByOffset(logitSums.sum, p).map((value) => value / (p * p));
  const centre = mean(offsets);
  return {
    logit_share: roundAll(fit.share),
    logit_spectrum: heatMap(p, p, logitNorms),
    correct_logit: heatMap(p, p, correct),
    correct_logit_by_distance: heatMap(p, p, byDistance(correct, p)),
    margin: heatMap(p, p, margins(prepared)),
    logit_by_offset: { model: roundAll(offsets.map((value) => value - centre)), fit: roundAll(fittedOffsets(fit.alpha, ks, p)) },
  };
}

/** Values of pairs at row a + b, column a - b. For even p half of the cells are no pair; they show the mean. */
function byDistance(values: Float64Array, p: number): Float64Array {
  const out = new Float64Array(p * p).fill(mean(values));
  for (let pair = 0; pair < p * p; pair++) out[answer(pair, p) * p + mod(Math.floor(pair / p) - (pair % p), p)] = values[pair];
  return out;
}

function margins({ acts, p }: Prepared): Float64Array {
  return Float64Array.from({ length: p * p }, (_, pair) => {
    const row = acts.logits.subarray(pair * p, (pair + 1) * p);
    const right = answer(pair, p);
    let wrong = -Infinity;
    for (let c = 0; c < p; c++) if (c !== right) wrong = Math.max(wrong, row[c]);
    return row[right] - wrong;
  });
}

function neuronPictures({
  prepared,
  neurons,
  clusterThreshold,
}: Findings): Pick<ModAddPictures, "neurons" | "neuron_fve" | "neuron_clusters" | "phase_sum" | "neuron_spectrum"> {
  const { p } = prepared;
  const live = neurons.fve.filter((_, i) => neurons.frequency[i] > 0);
  const phases = neuronPhases(prepared, neurons, clusterThreshold).map(({ sum }) => sum);
  return {
    neurons: neuronMaps(prepared, neurons),
    neuron_fve: histogram(live, 0, 1, 20),
    neuron_clusters: Array.from({ length: Math.floor((p - 1) / 2) }, (_, i) => neurons.clusters[i + 1] ?? 0),
    phase_sum: histogram(phases, -Math.PI, Math.PI, 24),
    neuron_spectrum: neuronSpectrum(prepared),
  };
}
