/** Key frequencies. No paper publishes a threshold, so rule and threshold are parameters and every result declares them. */
import { frequencies, powerByFrequency, rowNorms } from "../math/fourier.ts";
import { checkFrequencies, checkRule } from "./check.ts";
import type { KeyFrequencyRule, ModAddOptions } from "./input.ts";
import type { CosineFit } from "./logit-fit.ts";
import type { PreparedLogits } from "./prepare.ts";
import type { KeyFrequencyDeclaration, NeuronSummary } from "./types.ts";

/** What a rule may look at. */
export interface KeyEvidence {
  prepared: PreparedLogits;
  fit: CosineFit;
  neurons: NeuronSummary;
  dModel: number;
  dMlp: number;
}

interface Rule {
  threshold: number;
  note: string;
  /** Importance of each frequency, entry k-1, on the threshold's scale. */
  score: (evidence: KeyEvidence) => Float64Array;
}

const RULES: Record<KeyFrequencyRule, Rule> = {
  logit_share: {
    threshold: 0.02,
    note: "share of the centred logits' sum of squares along cos(w_k(a+b-c)) of at least the threshold",
    score: ({ fit }) => fit.share,
  },
  neuron_argmax: {
    threshold: 0.02,
    note: "share of live neurons in the frequency's cluster of at least the threshold",
    score: ({ neurons, prepared }) => Float64Array.from(frequencies(prepared.p), (k) => (neurons.clusters[k] ?? 0) / Math.max(neurons.alive, 1)),
  },
  embedding_norm: {
    threshold: 0.25,
    note: "cos or sin row of the embedding's Fourier transform with norm of at least the threshold times the largest",
    score: ({ prepared, dModel }) => relativeNorms(prepared.embeddingHat, prepared.p, dModel),
  },
  unembed_norm: {
    threshold: 0.25,
    note: "cos or sin row of the Fourier transform of W_U W_out along the classes with norm of at least the threshold times the largest",
    score: ({ prepared, dMlp }) => relativeNorms(prepared.wlHat, prepared.p, dMlp),
  },
};

/** max(cos norm, sin norm) of each frequency over the largest of all. */
function relativeNorms(hat: Float64Array, p: number, columns: number): Float64Array {
  const norms = rowNorms(hat, p, columns);
  const larger = Float64Array.from(frequencies(p), (k) => Math.max(norms[2 * k - 1], norms[2 * k]));
  const top = larger.reduce((best, value) => Math.max(best, value), 0);
  return larger.map((value) => (top === 0 ? 0 : value / top));
}

/**
 * Finds the key frequencies, most important first, or takes the caller's.
 *
 * @throws TritlensError E_NAME for an unknown rule, E_RANGE for a threshold outside [0, 1] or a frequency outside 1..floor((p-1)/2).
 */
export function keyFrequencies(evidence: KeyEvidence, options: ModAddOptions): { ks: number[]; declaration: KeyFrequencyDeclaration } {
  const { p } = evidence.prepared;
  if (options.keyFrequencies) {
    const ks = checkFrequencies(p, options.keyFrequencies);
    return { ks, declaration: { rule: "fixed", threshold: 0, note: "given by the caller" } };
  }
  const name = options.keyFrequencyRule ?? "logit_share";
  checkRule(name, options.keyFrequencyThreshold ?? 0);
  const rule = RULES[name];
  const threshold = options.keyFrequencyThreshold ?? rule.threshold;
  const score = rule.score(evidence);
  const ks = frequencies(p).filter((k) => score[k - 1] >= threshold && score[k - 1] > 0);
  ks.sort((x, y) => score[y - 1] - score[x - 1]);
  return { ks, declaration: { rule: name, threshold, note: rule.note } };
}

/** Shares of non-constant Fourier power by frequency (entry k-1). */
export function powerShare(hat: Float64Array, p: number, columns: number): Float64Array {
  const power = powerByFrequency(rowNorms(hat, p, columns), p);
  const total = power.reduce((sum, value) => sum + value, 0);
  return power.map((value) => (total === 0 ? 0 : value / total));
}
