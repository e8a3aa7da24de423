/** All analyses of one checkpoint, in one result. */
import { logitAblations, runAblations } from "./ablations.ts";
import { analyzeAttention } from "./attention.ts";
import { checkActivations } from "./check.ts";
import { fitCircles } from "./circles.ts";
import { circularity, embeddingComponents } from "./circularity.ts";
import { clockPizza, distanceIrrelevance, gradientTriples, symmetricMaxAbs, wrongLogits } from "./clock-pizza.ts";
import { codeStatistics, squaredWeights, zeroShares } from "./codes.ts";
import { embeddingSpectra, keyGram, summariseSvd } from "./embedding-svd.ts";
import type { ModAddActivations, ModAddOptions, ModAddProbe } from "./input.ts";
import { keyFrequencies, powerShare } from "./keys.ts";
import { type CosineFit, fitCosines, fittedOffsets, logitFit } from "./logit-fit.ts";
import { analyzeLogitSpectrum, logitNorms } from "./logit-spectrum.ts";
import { neuronFve, summariseNeurons } from "./neurons.ts";
import { summarisePhases } from "./phases-of-neurons.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { cosines, ginis, lossesAndAccuracies } from "./progress.ts";
import { representationFit } from "./representation.ts";
import { excludedByFrequency, excludedLoss, excludedLoss3d, restrictedLoss } from "./restricted.ts";
import type { HeadAnalysis, KeyFrequencyDeclaration, ModAddAnalysis, NeuronSummary } from "./types.ts";
import { analyzeUnembed, record } from "./unembed.ts";

/** Least FVE of a clustered neuron (Nanda 2023, 4.3). */
const CLUSTER_THRESHOLD = 0.85;

/** What every part of the result builds on. */
export interface Findings {
  prepared: Prepared;
  fit: CosineFit;
  neurons: NeuronSummary;
  attention: HeadAnalysis[];
  ks: number[];
  declaration: KeyFrequencyDeclaration;
  clusterThreshold: number;
  /** Norms of the logits' 2-D Fourier components, [p, p]. */
  logitNorms: Float64Array;
}

/**
 * Prepares activations and finds key frequencies and clusters.
 *
 * @throws TritlensError E_RANGE, E_SHAPE, E_NONFINITE, E_DETACHED, E_NAME for input that does not fit (see check.ts).
 */
export function findings(acts: ModAddActivations, options: ModAddOptions = {}): Findings {
  checkActivations(acts);
  const { p, dModel, dMlp } = acts;
  const prepared = prepare(acts);
  const clusterThreshold = options.clusterThreshold ?? CLUSTER_THRESHOLD;
  const fit = fitCosines(acts.logits, prepared.logitSums.sum, p);
  const neurons = summariseNeurons(neuronFve(acts.neurons, prepared, p, dMlp), clusterThreshold);
  const { ks, declaration } = keyFrequencies({ prepared, fit, neurons, dModel, dMlp }, options);
  const attention = analyzeAttention(acts, prepared.basis);
  return { prepared, fit, neurons, attention, ks, declaration, clusterThreshold, logitNorms: logitNorms(prepared) };
}

/**
 * Analyses one checkpoint from its activations.
 *
 * @param acts - Activations on all p * p inputs.
 * @param options - Key-frequency rule and what to run.
 * @param probe - Runs the model again; without it gradient symmetricity is null and ablations and circles are empty.
 * @returns Every number: spectra, clusters, fits, ablations, progress measures, clock or pizza, phases.
 * @throws TritlensError E_RANGE, E_SHAPE, E_NONFINITE, E_DETACHED, E_NAME for input that does not fit.
 */
export async function analyzeActivations(acts: ModAddActivations, options: ModAddOptions = {}, probe?: ModAddProbe): Promise<ModAddAnalysis> {
  return analyzeFindings(findings(acts, options), options, probe);
}

/** {@link analyzeActivations} on prepared findings, so that pictures can share them. */
export async function analyzeFindings(found: Findings, options: ModAddOptions = {}, probe?: ModAddProbe): Promise<ModAddAnalysis> {
  const { acts } = found.prepared;
  return {
    mode: acts.mode,
    p: acts.p,
    ...lossesAndAccuracies(found.prepared),
    ...logitPart(found),
    ...weightPart(found),
    ...neuronPart(found),
    ...progressPart(found),
    ...(await clockPizzaPart(found, options, probe)),
    ablations: probe && options.ablations !== false ? await runAblations(found, probe) : logitAblations(found),
  };
}

function logitPart({
  prepared,
  fit,
  ks,
  declaration,
  logitNorms,
}: Findings): Pick<
  ModAddAnalysis,
  | "key_frequencies"
  | "key_frequency_rule"
  | "logit_share"
  | "logit_share_note"
  | "logit_share_all"
  | "alpha"
  | "logit_fve_key"
  | "cos_coefficients"
  | "cos_similarity"
  | "logit_fit"
  | "logit_spectrum"
> {
  return {
    key_frequencies: ks,
    key_frequency_rule: declaration,
    logit_share_note: "logits minus each input's mean over classes; share of the sum of squares",
    logit_share_all: Array.from(fit.share),
    alpha: record(ks, (k) => fit.alpha[k - 1]),
    ...cosines(fit, ks, prepared.p),
    logit_fit: logitFit(fit, ks, prepared.p),
    logit_spectrum: analyzeLogitSpectrum(prepared, logitNorms, ks),
  };
}

function weightPart({
  prepared,
  ks,
}: Findings): Pick<
  ModAddAnalysis,
  | "embedding_power_share"
  | "embedding_power_share_all"
  | "embedding_gini"
  | "unembed_gini"
  | "unembed"
  | "sum_squared_weights"
  | "sum_squared_total"
  | "zeros"
  | "codes"
  | "embedding_svd"
  | "key_gram"
  | "circularity"
> {
  const { acts, p } = prepared;
  const share = powerShare(prepared.embeddingHat, p, acts.dModel);
  const embedding = acts.weights.W_E.effective;
  return {
    embedding_power_share: record(largest(share, 10), (k) => share[k - 1]),
    embedding_power_share_all: Array.from(share),
    ...ginis(prepared, acts.dModel, acts.dMlp),
    unembed: analyzeUnembed(prepared, ks),
    ...squaredWeights(acts.weights),
    zeros: zeroShares(acts.weights),
    codes: codeStatistics(acts.weights),
    embedding_svd: summariseSvd(embeddingSpectra(embedding, p, acts.dModel)),
    key_gram: keyGram(prepared, ks),
    circularity: circularity(embeddingComponents(embedding, p, acts.dModel), p),
  };
}

/** The `count` frequencies with the largest entries, largest first. */
function largest(values: Float64Array, count: number): number[] {
  return Array.from(values, (_, i) => i + 1)
    .sort((x, y) => values[y - 1] - values[x - 1])
    .slice(0, count);
}

function neuronPart(found: Findings): Pick<ModAddAnalysis, "neurons" | "attention" | "attention_mean" | "phases" | "representation"> {
  const { prepared, fit, neurons, attention, ks, clusterThreshold } = found;
  return {
    neurons,
    attention,
    attention_mean: Object.fromEntries(attention.map(({ head, mean }) => [String(head), mean])),
    phases: summarisePhases(prepared, neurons, clusterThreshold),
    representation: representationFit(prepared, fit, ks),
  };
}

function progressPart({
  prepared,
  fit,
  ks,
}: Findings): Pick<ModAddAnalysis, "restricted_loss" | "excluded_loss" | "excluded_loss_by_frequency" | "excluded_loss_max" | "excluded_loss_3d"> {
  const byFrequency = excludedByFrequency(prepared);
  return {
    restricted_loss: restrictedLoss(prepared, ks),
    excluded_loss: excludedLoss(prepared, ks),
    excluded_loss_by_frequency: byFrequency,
    excluded_loss_max: Math.max(...byFrequency),
    excluded_loss_3d: excludedLoss3d(prepared, fittedOffsets(fit.alpha, ks, prepared.p)),
  };
}

async function clockPizzaPart(
  { prepared, ks }: Findings,
  options: ModAddOptions,
  probe?: ModAddProbe,
): Promise<
  Pick<
    ModAddAnalysis,
    | "gradient_symmetricity"
    | "distance_irrelevance"
    | "distance_irrelevance_wrong"
    | "gradient_triples"
    | "untrained"
    | "circles"
    | "symmetric_max_abs"
  >
> {
  const { acts, p } = prepared;
  const triples = gradientTriples(p);
  return {
    ...(await clockPizza(acts, triples, probe)),
    distance_irrelevance_wrong: distanceIrrelevance(wrongLogits(acts.logits, p), p),
    gradient_triples: triples,
    untrained: options.untrained ? await clockPizza(options.untrained.activations, triples, options.untrained.probe) : null,
    circles: probe && options.circles !== false ? await fitCircles(prepared, probe, ks) : [],
    symmetric_max_abs: symmetricMaxAbs(acts.logits, p),
  };
}
