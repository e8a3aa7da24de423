/** From the numbers of all runs to one verdict a mode and one answer. */
import type { LabModeInfo } from "../modes.ts";
import { type Circuit, type ClockOrPizza, judgeCircuit, judgeClock, RULES, type RunNumbers, uniformAttention } from "./rules.ts";

/** A run's numbers with where they come from. */
export interface JudgedRun {
  /** Mode. */
  mode: string;
  /** Seed. */
  seed: number;
  /** What the rules look at. */
  numbers: RunNumbers;
}

/** Mean and spread of a number over seeds. `sd` is the sample standard deviation, null with fewer than two seeds. */
export interface Spread {
  /** Mean. */
  mean: number;
  /** Sample standard deviation; null with fewer than two values. */
  sd: number | null;
  /** Smallest value. */
  min: number;
  /** Largest value. */
  max: number;
  /** Number of values. */
  n: number;
}

/** The verdict on one mode. */
export interface ModeVerdict {
  /** Mode. */
  mode: string;
  /** The circuit of most of its seeds. */
  circuit: Circuit;
  /** Seeds that carry this verdict, of all seeds with a result. */
  agreeing: number;
  /** Seeds with a result. */
  seeds: number;
  /** Clock, pizza or neither, by most of its grokked seeds. */
  clockOrPizza: ClockOrPizza;
  /** Every grokked seed attends uniformly. */
  uniformAttention: boolean;
  /** False when all that is known is a lone checkpoint. */
  historyKnown: boolean;
  /** Against full precision in the same architecture. */
  comparison: Comparison;
  /** Test accuracy at the end. */
  testAccuracy: Spread | null;
  /** Grok epoch of the seeds that grokked. */
  grokEpoch: Spread | null;
  /** Number of key frequencies. */
  keyFrequencies: Spread | null;
  /** Share of the logits that the key cosines explain. */
  logitFve: Spread | null;
  /** Restricted loss, all pairs. */
  restrictedLoss: Spread | null;
  /** Excluded loss, train pairs. */
  excludedLoss: Spread | null;
  /** Share of live neurons in clusters. */
  clusteredShare: Spread | null;
  /** Gradient symmetricity. */
  symmetricity: Spread | null;
  /** Distance irrelevance. */
  irrelevance: Spread | null;
}

/** How a mode stands beside full precision. */
export type Comparison = "reference" | "same family" | "same family, noisier" | "different" | "not grokked" | "no result" | "no reference";

/** One judged sentence on a mode. */
export interface ModeFinding {
  /** Mode. */
  mode: string;
  /** How it speaks for "the same kind of algorithm". */
  tone: "good" | "bad" | "mixed" | "none";
  /** The sentence. */
  text: string;
}

/** The whole verdict. */
export interface Verdict {
  /** One verdict a mode. */
  modes: ModeVerdict[];
  /** The answer in a sentence or two. */
  headline: string;
  /** The answer at more length. */
  paragraphs: string[];
  /** One sentence a mode. */
  findings: ModeFinding[];
}

/** Weaker claims first: a tie between seeds is settled towards the weaker one. */
const STRENGTH: readonly Circuit[] = ["no result", "not grokked", "other", "noisy fourier", "fourier"];

/** Mean and spread of the finite numbers; null when there are none. */
export function spread(values: (number | null)[]): Spread | null {
  const finite = values.filter((v): v is number => v !== null && Number.isFinite(v));
  if (finite.length === 0) return null;
  const mean = finite.reduce((a, b) => a + b, 0) / finite.length;
  const sd = finite.length < 2 ? null : Math.sqrt(finite.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (finite.length - 1));
  return { mean, sd, min: Math.min(...finite), max: Math.max(...finite), n: finite.length };
}

/** The most frequent value; among equally frequent ones, the first of `order`. */
export function majority<T>(values: readonly T[], order: readonly T[]): T {
  const count = (v: T): number => values.filter((w) => w === v).length;
  return [...order].sort((a, b) => count(b) - count(a) || order.indexOf(a) - order.indexOf(b))[0] as T;
}

/** The seeds that have a result; all of them where none has. A seed that still trains, or failed, has no vote. */
function voters(runs: readonly JudgedRun[]): readonly JudgedRun[] {
  const finished = runs.filter((r) => judgeCircuit(r.numbers) !== "no result");
  return finished.length > 0 ? finished : runs;
}

/** Judges one mode from its seeds, without comparing it to others. */
function judgeMode(mode: string, all: readonly JudgedRun[]): ModeVerdict {
  const runs = voters(all);
  const numbers = runs.map((r) => r.numbers);
  const circuits = numbers.map(judgeCircuit);
  const circuit = majority(circuits, STRENGTH);
  const grokked = numbers.filter((_, i) => STRENGTH.indexOf(circuits[i] as Circuit) >= STRENGTH.indexOf("other"));
  const of = (pick: (n: RunNumbers) => number | null): Spread | null => spread(numbers.map(pick));
  return {
    mode,
    circuit,
    agreeing: circuits.filter((c) => c === circuit).length,
    seeds: runs.length,
    clockOrPizza: majority(grokked.map(judgeClock), ["unknown", "neither", "pizza", "clock"]),
    uniformAttention: grokked.length > 0 && grokked.every(uniformAttention),
    historyKnown: numbers.some((n) => n.historyKnown),
    comparison: "no reference",
    testAccuracy: of((n) => n.testAccuracy),
    grokEpoch: of((n) => n.grokEpoch),
    keyFrequencies: of((n) => (n.logitFve === null ? null : n.keyFrequencies.length)),
    logitFve: of((n) => n.logitFve),
    restrictedLoss: of((n) => n.restrictedLoss),
    excludedLoss: of((n) => n.excludedLoss),
    clusteredShare: of((n) => (n.liveNeurons > 0 ? n.clusteredNeurons / n.liveNeurons : null)),
    symmetricity: of((n) => n.symmetricity),
    irrelevance: of((n) => n.irrelevance),
  };
}

const isFourier = (c: Circuit): boolean => c === "fourier" || c === "noisy fourier";

/** Sets a mode beside full precision in Li's architecture. */
export function compare(mode: ModeVerdict, reference: ModeVerdict | null): Comparison {
  if (mode.circuit === "no result" || mode.circuit === "not grokked") return mode.circuit;
  if (mode.mode === "fp32") return "reference";
  if (reference === null || !isFourier(reference.circuit)) return "no reference";
  if (!isFourier(mode.circuit)) return "different";
  const behind = (reference.logitFve?.mean ?? 0) - (mode.logitFve?.mean ?? 0);
  return mode.circuit === "noisy fourier" || behind > RULES.noisier ? "same family, noisier" : "same family";
}

/** Judges every mode that has runs, in the order given, each beside full precision. */
export function judgeModes(runs: readonly JudgedRun[], modes: readonly LabModeInfo[]): ModeVerdict[] {
  const present = modes.filter((m) => runs.some((r) => r.mode === m.id));
  const judged = present.map((m) =>
    judgeMode(
      m.id,
      runs.filter((r) => r.mode === m.id),
    ),
  );
  const reference = judged.find((m) => m.mode === "fp32") ?? null;
  return judged.map((m) => ({ ...m, comparison: compare(m, reference) }));
}
