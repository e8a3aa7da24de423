/**
 * The rules by which numbers become words, all of them and nothing else. Every threshold stands here and is printed under Methods; the papers
 * publish none, so these are ours and declared. `verdict.test.ts` pins each rule on made-up numbers.
 */

/** Thresholds. A share is of 1, a loss in units of chance (ln p). */
export const RULES = {
  /** A run has grokked when its test accuracy reached this and still has it at the last evaluation. */
  grok: 0.99,
  /** Share of the centred logits along the key cosines from which on they are the bulk of the logits. */
  logitsMost: 0.7,
  /** The same, from which on they are a substantial part. */
  logitsSome: 0.4,
  /** Restricted loss (all pairs), at most, for the key directions to suffice. */
  restrictedOfChance: 0.1,
  /** Excluded loss (train pairs), at least, for the key directions to be needed. */
  excludedOfChance: 0.5,
  /** Excluded loss at least this many times the train loss. */
  excludedOverTrain: 10,
  /** A neuron belongs to a cluster from this FVE on (Nanda 2023). */
  clusterFve: 0.85,
  /** Share of live neurons in clusters from which on the hidden layer counts as tuned to single frequencies. */
  clustered: 0.5,
  /** A mode is noisier than full precision when its share of explained logits is lower by more than this. */
  noisier: 0.05,
  /** Gradient symmetricity from which on a model treats both inputs alike (pizza: 0.99, clock: 0.33 in Zhong et al.). */
  symmetric: 0.95,
  /** Gradient symmetricity up to which a model treats its inputs unlike. */
  asymmetric: 0.9,
  /** Distance irrelevance up to which the margin follows the distance (pizza). */
  pizzaIrrelevance: 0.4,
  /** Distance irrelevance from which on it does not (clock). */
  clockIrrelevance: 0.6,
  /** Attention is uniform when no head's pattern varies by more than this (standard deviation over pairs). */
  uniformAttention: 0.01,
} as const;

/** What a run's circuit is, by the rules. */
export type Circuit = "fourier" | "noisy fourier" | "other" | "not grokked" | "no result";

/** Clock, pizza, or what the two metrics say when they do not agree. */
export type ClockOrPizza = "clock" | "pizza" | "neither" | "unknown";

/** The numbers of one run that the rules look at. `null` where a run has none. */
export interface RunNumbers {
  /** Where the run stands. */
  status: "done" | "stopped" | "diverged" | "failed" | "running" | "waiting";
  /** Modulus. */
  p: number;
  /** First epoch with 99 % test accuracy. */
  grokEpoch: number | null;
  /** False for a lone checkpoint, of which only the end is known. */
  historyKnown: boolean;
  /** Test accuracy at the end. */
  testAccuracy: number | null;
  /** Train loss at the end. */
  trainLoss: number | null;
  /** Key frequencies, most important first. */
  keyFrequencies: number[];
  /** Share of the centred logits along the key cosines. */
  logitFve: number | null;
  /** Restricted loss on all pairs. */
  restrictedLoss: number | null;
  /** Excluded loss on the pairs trained on. */
  excludedLoss: number | null;
  /** Neurons that are ever active. */
  liveNeurons: number;
  /** Those that belong to a cluster. */
  clusteredNeurons: number;
  /** Gradient symmetricity. */
  symmetricity: number | null;
  /** Distance irrelevance. */
  irrelevance: number | null;
  /** Largest standard deviation of a head's attention over pairs. */
  attentionStd: number | null;
}

/** Each check of the Fourier circuit, so that a verdict can be argued with. */
export interface CircuitChecks {
  /** Answers unseen pairs. */
  grokked: boolean;
  /** Key cosines are the bulk of the logits. */
  logitsMost: boolean;
  /** Key cosines are a substantial part of the logits. */
  logitsSome: boolean;
  /** Key directions alone answer. */
  sufficient: boolean;
  /** Without them it does not answer. */
  needed: boolean;
  /** Most live neurons belong to a cluster. */
  clustered: boolean;
}

const atLeast = (x: number | null, least: number): boolean => x !== null && x >= least;

/** Runs the checks. A missing number fails its check. */
export function checkCircuit(n: RunNumbers): CircuitChecks {
  const chance = Math.log(n.p);
  const excludedFloor = Math.max(RULES.excludedOfChance * chance, RULES.excludedOverTrain * (n.trainLoss ?? Infinity));
  return {
    grokked: (n.grokEpoch !== null || !n.historyKnown) && atLeast(n.testAccuracy, RULES.grok),
    logitsMost: atLeast(n.logitFve, RULES.logitsMost),
    logitsSome: atLeast(n.logitFve, RULES.logitsSome),
    sufficient: n.restrictedLoss !== null && n.restrictedLoss <= RULES.restrictedOfChance * chance,
    needed: atLeast(n.excludedLoss, excludedFloor),
    clustered: n.liveNeurons > 0 && n.clusteredNeurons / n.liveNeurons >= RULES.clustered,
  };
}

/**
 * Names the circuit. `fourier`: grokked, the key cosines are the bulk of the logits, they suffice and they are needed. `noisy fourier`: grokked, a
 * substantial part, and needed. `other`: grokked without that.
 */
export function judgeCircuit(n: RunNumbers): Circuit {
  if (n.status === "diverged" || n.status === "failed" || n.testAccuracy === null) return "no result";
  const c = checkCircuit(n);
  if (!c.grokked) return "not grokked";
  if (c.logitsMost && c.sufficient && c.needed) return "fourier";
  return c.logitsSome && c.needed ? "noisy fourier" : "other";
}

/** Names clock or pizza from both metrics; `neither` when they disagree. An ungrokked run has no circuit to name. */
export function judgeClock(n: RunNumbers): ClockOrPizza {
  if (n.symmetricity === null || n.irrelevance === null || !checkCircuit(n).grokked) return "unknown";
  if (n.symmetricity >= RULES.symmetric && n.irrelevance <= RULES.pizzaIrrelevance) return "pizza";
  if (n.symmetricity <= RULES.asymmetric && n.irrelevance >= RULES.clockIrrelevance) return "clock";
  return "neither";
}

/** True when every head attends uniformly: symmetricity is then 1 by construction and says nothing. */
export function uniformAttention(n: RunNumbers): boolean {
  return n.attentionStd !== null && n.attentionStd <= RULES.uniformAttention;
}

/** The rules in words, for Methods. */
export function rulesInWords(): [string, string][] {
  const percent = (x: number): string => `${100 * x} %`;
  return [
    [
      "Grokked",
      `test accuracy reached ${percent(RULES.grok)} and has it at the last evaluation; the grok epoch is the first with ${percent(RULES.grok)}`,
    ],
    [
      "Fourier circuit",
      `grokked; key cosines explain at least ${percent(RULES.logitsMost)} of the centred logits; restricted loss at most ${percent(RULES.restrictedOfChance)} of chance (they suffice); excluded loss at least ${percent(RULES.excludedOfChance)} of chance and ${RULES.excludedOverTrain} times the train loss (they are needed)`,
    ],
    ["Noisy Fourier circuit", `grokked, at least ${percent(RULES.logitsSome)} of the logits, and needed, but not all of the above`],
    ["Other circuit", "grokked, none of the above"],
    ["Neuron cluster", `neurons of one frequency with at least ${percent(RULES.clusterFve)} of their variance explained by it`],
    ["Noisier", `explains less of its logits than full precision by more than ${percent(RULES.noisier)}`],
    ["Pizza", `gradient symmetricity at least ${RULES.symmetric} and distance irrelevance at most ${RULES.pizzaIrrelevance}`],
    ["Clock", `gradient symmetricity at most ${RULES.asymmetric} and distance irrelevance at least ${RULES.clockIrrelevance}`],
    ["Neither", "grokked, and the two metrics do not agree on clock or pizza"],
    ["Uniform attention", `no head's attention varies by more than ${RULES.uniformAttention} (standard deviation over all pairs)`],
    ["Several seeds", "a mode's circuit is that of most of its seeds; on a tie, the weaker claim"],
  ];
}
