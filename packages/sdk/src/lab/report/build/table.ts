/** The verdict table: one row a mode, numbers as mean over seeds with their spread. */

import { judged } from "../../numbers.ts";
import type { RunResult } from "../../results.ts";
import { type Circuit, type ModeVerdict, RULES, type Spread, uniformAttention } from "../../verdict/index.ts";
import type { Cell, VerdictTable } from "../model.ts";

const COLUMNS: VerdictTable["columns"] = [
  { label: "Test accuracy", help: "share of unseen pairs answered rightly at the last epoch" },
  { label: "Grok epoch", help: `first epoch with test accuracy of at least ${100 * RULES.grok} %` },
  { label: "Key frequencies", help: "frequencies k with at least 2 % of the centred logits" },
  { label: "Logits explained", help: "share of the centred logits' sum of squares along the key cosines" },
  { label: "Restricted loss", help: "all pairs, only the key directions kept (nats)" },
  { label: "Excluded loss", help: "train pairs, the key directions removed (nats)" },
  { label: "Neurons in clusters", help: `share of live neurons of which one frequency explains at least ${100 * RULES.clusterFve} %` },
  { label: "Clock or pizza", help: "by gradient symmetricity and distance irrelevance" },
  { label: "Circuit", help: "by the rules under Methods" },
];

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
const loss = (x: number): string => (x < 0.01 ? x.toExponential(1).replace("-", "−") : x.toFixed(2));
const integer = (x: number): string => Math.round(x).toLocaleString("en");

function cell(s: Spread | null, format: (x: number) => string, extra: Partial<Cell> = {}): Cell {
  if (s === null) return { text: "–", ...extra };
  return { text: format(s.mean), ...(s.sd === null ? {} : { note: `± ${format(s.sd)}` }), ...extra };
}

/** Builds the table. */
export function verdictTable(modes: readonly ModeVerdict[], runs: readonly RunResult[], p: number): VerdictTable {
  return {
    columns: COLUMNS,
    rows: modes.map((m) => ({
      mode: m.mode,
      cells: rowOf(
        m,
        runs.filter((r) => r.mode === m.mode),
        p,
      ),
    })),
  };
}

function rowOf(m: ModeVerdict, runs: readonly RunResult[], p: number): Cell[] {
  const failed = runs.find((r) => r.error !== null);
  if (m.circuit === "no result") return pending(runs, failed);
  const accuracy = m.testAccuracy?.mean ?? 0;
  return [
    cell(m.testAccuracy, percent, { tone: accuracy >= RULES.grok ? "good" : "bad" }),
    grokCell(m, runs),
    keyCell(m, runs),
    cell(m.logitFve, percent, m.logitFve ? { bar: m.logitFve.mean } : {}),
    cell(m.restrictedLoss, loss),
    cell(m.excludedLoss, loss),
    cell(m.clusteredShare, percent, m.clusteredShare ? { bar: m.clusteredShare.mean } : {}),
    clockCell(m, runs, p),
    circuitCell(m),
  ];
}

function pending(runs: readonly RunResult[], failed: RunResult | undefined): Cell[] {
  const run = failed ?? runs.find((r) => r.status === "running") ?? runs[0];
  const text = run === undefined ? "waiting" : run.status === "running" ? "training" : run.status;
  const note = run?.error ? `${run.error.code}: ${run.error.message}` : progressNote(run);
  return [{ text, tone: failed ? "bad" : "none", ...(note ? { note } : {}) }, ...COLUMNS.slice(1).map(() => ({ text: "–" }))];
}

function progressNote(run: RunResult | undefined): string {
  const accuracy = run?.curves.test_accuracy.at(-1);
  return run === undefined || accuracy === undefined ? "" : `${percent(accuracy)} at epoch ${integer(run.epochs)}`;
}

function grokCell(m: ModeVerdict, runs: readonly RunResult[]): Cell {
  const grokked = runs.filter((r) => r.grok_epoch !== null).length;
  const base = !m.historyKnown ? { text: "–" } : m.grokEpoch === null ? { text: "never" } : cell(m.grokEpoch, integer);
  return grokked < runs.length && runs.length > 1 ? { ...base, note: `${grokked} of ${runs.length} seeds` } : base;
}

function keyCell(m: ModeVerdict, runs: readonly RunResult[]): Cell {
  const lead = runs.find((r) => r.analysis !== null);
  const keys = [...(lead?.analysis?.key_frequencies ?? [])].sort((a, b) => a - b);
  const s = m.keyFrequencies;
  const note = s !== null && s.n > 1 ? `seed ${lead?.seed ?? 0}; ${s.min === s.max ? s.min : `${s.min} to ${s.max}`} over seeds` : undefined;
  return { text: keys.length === 0 ? "none" : "", chips: keys.map(String), ...(note ? { note } : {}) };
}

function clockCell(m: ModeVerdict, runs: readonly RunResult[], p: number): Cell {
  if (m.symmetricity === null || m.irrelevance === null) return { text: "–" };
  const uniform = runs.length > 0 && runs.filter((r) => r.analysis !== null).every((r) => uniformAttention(judged(r, p).numbers));
  const numbers = `s ${m.symmetricity.mean.toFixed(2)}, q ${m.irrelevance.mean.toFixed(2)}`;
  return { text: m.clockOrPizza, tone: "none", note: uniform ? `${numbers}; uniform attention` : numbers };
}

const TONES: Record<Circuit, NonNullable<Cell["tone"]>> = {
  fourier: "good",
  "noisy fourier": "mixed",
  other: "bad",
  "not grokked": "bad",
  "no result": "none",
};

function circuitCell(m: ModeVerdict): Cell {
  const text = { fourier: "Fourier", "noisy fourier": "noisy Fourier", other: "other", "not grokked": "not grokked", "no result": "–" }[m.circuit];
  return { text, tone: TONES[m.circuit], ...(m.seeds > 1 ? { note: `${m.agreeing} of ${m.seeds} seeds` } : {}) };
}
