/**
 * Phases of training from curves, by stated rules. Nanda 2023 (5.2) reads memorisation, circuit formation and cleanup off the plots by eye; so that models can be
 * compared, these are fixed rules instead. They assume a run that groks; where a rule never holds the answer is null.
 */
import { TritlensError } from "../../core/index.ts";
import type { PhaseCurves, Phases } from "./types.ts";

/** A loss below this share of ln p (chance) counts as learnt. */
const LEARNT = 0.01;
/** Cleanup has begun when test loss is below this share of its highest value so far. */
const FALLEN = 0.5;

/** The rules in words. */
const RULES: readonly string[] = [
  "memorised: first epoch with training loss below 1 % of ln p",
  "cleanup begins: first epoch from there on with test loss below half of its highest value so far",
  "cleanup ends: first epoch from there on with test loss below 1 % of ln p",
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
  const learnt = LEARNT * Math.log(p);
  const highest = runningMax(test_loss);
  const memorised = firstFrom(0, train_loss, (value) => value < learnt);
  const start = firstFrom(memorised, test_loss, (value, i) => value < FALLEN * highest[i]);
  const end = firstFrom(start, test_loss, (value) => value < learnt);
  const at = (index: number): number | null => (index < 0 ? null : epoch[index]);
  const lowest = excluded_loss.length === epoch.length ? lowestUpTo(excluded_loss, end) : -1;
  return { memorised: at(memorised), excluded_minimum: at(lowest), cleanup_start: at(start), cleanup_end: at(end), rules: [...RULES] };
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
  return values.map((_, i) => Math.max(...values.slice(0, i + 1)));
}
