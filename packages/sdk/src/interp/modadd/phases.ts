/**
 * Phases of training from curves, by stated rules. Nanda 2023 (5.2) reads memorisation, circuit formation and cleanup off the plots by eye; so that models can be
 * compared, these are fixed rules instead. They assume a run that groks; where a rule never holds the answer is null.
 */
import { TritlensError } from "../../core/index.ts";
import type { PhaseCurves, Phases } from "./types.ts";

/** A loss below this share of ln p (chance) counts as learnt, where accuracies are not known. */
const LEARNT = 0.01;
/** An accuracy of at least this counts as learnt. Quantised models answer every pair long before their loss is small: it is bounded from below by the codes. */
const LEARNT_ACCURACY = 0.99;
/** Cleanup has begun when test loss is below this share of its highest value so far. */
const FALLEN = 0.5;

/** The rules in words; `learnt` by accuracy where it is known, by loss where not. */
const rules = (training: string, test: string): string[] => [
  `memorised: first epoch with ${training}`,
  "cleanup begins: first epoch from there on with test loss below half of its highest value so far",
  `cleanup ends: first epoch from there on with ${test}`,
  "the excluded loss (training pairs) is smallest where the key frequencies begin to carry the training pairs",
  "circuit formation is the time between memorised and the beginning of cleanup",
];

/**
 * Finds the phases.
 *
 * @param p - Modulus (for chance level ln p).
 * @throws TritlensError E_SHAPE when the curves differ in length or are empty.
 */
export function detectPhases(curves: PhaseCurves, p: number): Phases {
  const { epoch, train_loss, test_loss, excluded_loss } = curves;
  if (epoch.length === 0 || [train_loss, test_loss].some((curve) => curve.length !== epoch.length)) {
    throw new TritlensError("E_SHAPE", "phases need curves of one length", {
      expected: `${epoch.length} > 0 entries`,
      found: `${train_loss.length}, ${test_loss.length}`,
    });
  }
  const training = learntFrom("training", train_loss, curves.train_accuracy, p);
  const test = learntFrom("test", test_loss, curves.test_accuracy, p);
  const highest = runningMax(test_loss);
  const memorised = firstFrom(0, train_loss, training.holds);
  const start = firstFrom(memorised, test_loss, (value, i) => value < FALLEN * highest[i]);
  const end = firstFrom(start, test_loss, test.holds);
  const at = (index: number): number | null => (index < 0 ? null : epoch[index]);
  const lowest = excluded_loss.length === epoch.length ? lowestUpTo(excluded_loss, end) : -1;
  return {
    memorised: at(memorised),
    excluded_minimum: at(lowest),
    cleanup_start: at(start),
    cleanup_end: at(end),
    rules: rules(training.words, test.words),
  };
}

/** When a set of pairs counts as learnt, and that in words. */
function learntFrom(
  what: string,
  loss: readonly number[],
  accuracy: readonly number[] | undefined,
  p: number,
): { holds: (value: number, i: number) => boolean; words: string } {
  if (accuracy?.length === loss.length)
    return { holds: (_, i) => (accuracy[i] ?? 0) >= LEARNT_ACCURACY, words: `${what} accuracy of at least ${100 * LEARNT_ACCURACY} %` };
  return { holds: (value) => value < LEARNT * Math.log(p), words: `${what} loss below ${100 * LEARNT} % of ln p` };
}

/** First index from `from` on where the test holds; -1 when none does or `from` is -1. */
function firstFrom(from: number, values: readonly number[], holds: (value: number, index: number) => boolean): number {
  return from < 0 ? -1 : values.findIndex((value, i) => i >= from && holds(value, i));
}

/** Index of the smallest value up to and including `end` (all values when `end` is -1). */
function lowestUpTo(values: readonly number[], end: number): number {
  const part = end < 0 ? values : values.slice(0, end + 1);
  return part.indexOf(Math.min(...part));
}

function runningMax(values: readonly number[]): number[] {
  let top = Number.NEGATIVE_INFINITY;
  return values.map((value) => {
    top = Math.max(top, value);
    return top;
  });
}
