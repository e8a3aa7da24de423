/** Makes the page's model from results and the pictures of finished runs. */
import { LAB_MODES } from "../../modes.ts";
import type { Results, RunResult } from "../../results.ts";
import { RULES } from "../../verdict/index.ts";
import type { FinalPictures, ReportModel, ReportRun } from "../model.ts";
import { methods } from "./methods.ts";
import { curveSeries, flipSeries, phaseBands, progressSeries } from "./series.ts";
import { verdictTable } from "./table.ts";

/** Looks up the pictures of a run; null while it has none. */
export type PictureSource = (run: RunResult) => FinalPictures | null;

/** Builds the whole model. Pictures are shown for the first seed of each mode; the other seeds keep their place in the plane of clock and pizza. */
export function reportModel(r: Results, pictures: PictureSource): ReportModel {
  const lone = r.runs.length === 1 && r.runs[0]?.curves.epoch.length === 0 && r.state === "complete";
  const present = LAB_MODES.filter((m) => r.runs.some((run) => run.mode === m.id));
  return {
    schema: "tritlens.report/1",
    title: lone ? `How one transformer adds modulo ${r.task.p}` : "Do one-bit transformers add differently?",
    lede: lone
      ? "One checkpoint, taken apart: frequencies, circles, attention, neurons, logits, and what breaks without them."
      : `The experiment of arXiv 2405.17703, run again with fair controls: transformers with full-precision, binary and ternary weights learn to add modulo ${r.task.p}, and each is taken apart to see how it does it.`,
    created: r.updated,
    state: r.state === "running" ? "live" : r.state === "complete" ? "complete" : "partial",
    facts: facts(r),
    answer: {
      ...r.verdict,
      findings: r.verdict.findings.filter((f) => r.runs.some((run) => run.mode === f.mode && (run.analysis !== null || run.error !== null))),
    },
    task: { p: r.task.p, trainPairs: r.task.train_pairs, testPairs: r.task.test_pairs, chanceLoss: Math.log(r.task.p) },
    thresholds: {
      grok: RULES.grok,
      cluster: RULES.clusterFve,
      key: 0.02,
      pizzaIrrelevance: RULES.pizzaIrrelevance,
      clockIrrelevance: RULES.clockIrrelevance,
      pizzaSymmetricity: RULES.symmetric,
      clockSymmetricity: RULES.asymmetric,
    },
    modes: present.map(({ id, title, short, detail }) => ({ id, title, short, detail })),
    table: verdictTable(r.verdict.modes, r.runs, r.task.p),
    runs: r.runs.map((run) => reportRun(run, pictures)),
    seedNumbers: seedNumbers(r.runs),
    methods: methods(r),
  };
}

function facts({ task, environment: e, command, runs, started }: Results): [string, string][] {
  const seconds = runs.reduce((sum, r) => sum + r.train_seconds + r.analysis_seconds, 0);
  return [
    ["Task", `a + b mod ${task.p}`],
    ["Trained on", `${task.train_pairs.toLocaleString("en")} of ${(task.p * task.p).toLocaleString("en")} pairs`],
    ["Models", `${count(new Set(runs.map((r) => r.mode)).size, "mode")}, ${count(new Set(runs.map((r) => r.seed)).size, "seed")}`],
    ...(seconds > 0 ? [["Computing time", duration(seconds)] as [string, string]] : []),
    ["Core", `${e.backend}, ${e.isa}, ${count(e.threads, "thread")}`],
    ["Begun", started.slice(0, 16).replace("T", " ")],
    ["Command", command],
  ];
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

/** 75 as "1 min 15 s". */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function reportRun(run: RunResult, pictures: PictureSource): ReportRun {
  const a = run.analysis;
  return {
    mode: run.mode,
    seed: run.seed,
    status: run.status,
    error: run.error === null ? null : `${run.error.code}: ${run.error.message}`,
    epoch: run.epochs,
    seconds: run.train_seconds,
    grokEpoch: run.grok_epoch,
    curves: curveSeries(run.curves),
    phases: phaseBands(run),
    progress: progressSeries(run.progress),
    flips: flipSeries(run.curves),
    final: pictures(run),
    plane:
      a === null
        ? null
        : {
            symmetricity: a.gradient_symmetricity,
            irrelevance: a.distance_irrelevance,
            untrainedSymmetricity: a.untrained?.gradient_symmetricity ?? null,
            untrainedIrrelevance: a.untrained?.distance_irrelevance ?? null,
          },
  };
}

function seedNumbers(runs: readonly RunResult[]): ReportModel["seedNumbers"] {
  const of = (label: string, unit: string, pick: (r: RunResult) => number | null | undefined): ReportModel["seedNumbers"][number] => ({
    label,
    unit,
    values: runs.map((r) => ({ mode: r.mode, seed: r.seed, value: pick(r) ?? null })),
  });
  return [
    of("Grok epoch", "epochs", (r) => r.grok_epoch),
    of("Logits explained", "share", (r) => r.analysis?.logit_fve_key),
    of("Key frequencies", "count", (r) => r.analysis?.key_frequencies.length),
    of("Neurons in clusters", "share", (r) =>
      r.analysis && r.analysis.neurons.alive > 0 ? r.analysis.neurons.fve_ge_085 / r.analysis.neurons.alive : null,
    ),
    of("Excluded loss", "nats", (r) => r.analysis?.excluded_loss.train),
    of("Distance irrelevance", "share", (r) => r.analysis?.distance_irrelevance),
  ];
}
