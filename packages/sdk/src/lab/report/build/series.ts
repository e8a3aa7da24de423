/** Curves for the page: thinned and rounded. */
import type { Curves, ProgressPoint, RunResult } from "../../results.ts";
import type { PhaseBand, Series } from "../model.ts";
import { round } from "../raster.ts";

/** Points that a chart 360 wide can show; more would only grow the page. */
const MOST_POINTS = 500;

const clean = (x: number | undefined): number | null => (x === undefined || !Number.isFinite(x) ? null : round(x));

/** Indices to keep: evenly spaced, the first and the last among them. */
function kept(length: number, most = MOST_POINTS): number[] {
  const stride = Math.max(1, Math.ceil(length / most));
  const at = Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);
  if (length > 0 && at.at(-1) !== length - 1) at.push(length - 1);
  return at;
}

/** Loss and accuracy. */
export function curveSeries(c: Curves): Series {
  const at = kept(c.epoch.length);
  const pick = (values: number[]): (number | null)[] => at.map((i) => clean(values[i]));
  return {
    epoch: at.map((i) => c.epoch[i] ?? 0),
    columns: {
      trainLoss: pick(c.train_loss),
      testLoss: pick(c.test_loss),
      trainAccuracy: pick(c.train_accuracy),
      testAccuracy: pick(c.test_accuracy),
    },
  };
}

/** Flips a weight and step, averaged over windows so that single events stay visible as rates; null without quantised matrices. */
export function flipSeries(c: Curves): Series | null {
  const names = Object.keys(c.flips);
  if (names.length === 0 || c.epoch.length < 2) return null;
  const window = Math.max(1, Math.ceil(c.epoch.length / 120));
  const starts = Array.from({ length: Math.ceil((c.epoch.length - 1) / window) }, (_, i) => 1 + i * window);
  const mean = (values: number[], from: number): number | null => {
    const part = values.slice(from, from + window).filter(Number.isFinite);
    return part.length === 0 ? null : round(part.reduce((a, b) => a + b, 0) / part.length);
  };
  return {
    epoch: starts.map((i) => c.epoch[i] ?? 0),
    columns: Object.fromEntries(names.map((n) => [shortName(n), starts.map((i) => mean(c.flips[n] ?? [], i))])),
  };
}

/** `blocks.0.attn.W_Q` as W_Q. */
export function shortName(param: string): string {
  return param.split(".").at(-1) ?? param;
}

/** Progress measures; null when there are no snapshots. */
export function progressSeries(points: readonly ProgressPoint[]): Series | null {
  if (points.length === 0) return null;
  const column = (pick: (p: ProgressPoint) => number): (number | null)[] => points.map((p) => clean(pick(p)));
  return {
    epoch: points.map((p) => p.epoch),
    columns: {
      trainLoss: column((p) => p.train_loss),
      testLoss: column((p) => p.test_loss),
      restricted: column((p) => p.restricted_loss.all),
      excluded: column((p) => p.excluded_loss.train),
      logitFve: column((p) => p.logit_fve_key),
      embeddingGini: column((p) => p.embedding_gini),
      mapGini: column((p) => p.unembed_gini),
      weightNorm: column((p) => p.sum_squared_total),
    },
  };
}

/** Bands between the phases' borders; a border that was never reached leaves the band before it open to the end. */
export function phaseBands(run: RunResult): PhaseBand[] {
  const last = run.curves.epoch.at(-1) ?? 0;
  const phases = run.phases;
  if (phases === null || last === 0) return [];
  const borders: [string, number | null][] = [
    ["memorises", phases.memorised],
    ["forms the circuit", phases.cleanup_start],
    ["cleans up", phases.cleanup_end],
    ["stable", last],
  ];
  const bands: PhaseBand[] = [];
  let from = 0;
  for (const [name, to] of borders) {
    bands.push({ name, from, to: to ?? last });
    if (to === null) break;
    from = to;
  }
  return bands;
}
