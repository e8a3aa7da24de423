/** Figures of training: curves with phases, progress measures, code flips. */
import * as Plot from "@observablehq/plot";
import type { ReportModel, ReportRun } from "../model.ts";
import { chart, epochAxis, grokMarks, line, logAxis, type Mark, phaseMarks, points } from "./chart.ts";
import { figure, grid, type Numbers, panel } from "./figure.ts";
import { decadeLabel, decades, number, percent } from "./format.ts";
import { badge, colour, lineLegend, modeLegend } from "./palette.ts";
import { leads, modeOf, trained } from "./select.ts";

const lastEpoch = (run: ReportRun): number => run.curves.epoch.at(-1) ?? 0;

/** Rows of a series for the table of numbers, thinned to about forty. */
function thin(run: ReportRun, modelName: string, names: string[], series = run.curves): (string | number)[][] {
  const stride = Math.max(1, Math.floor(series.epoch.length / 40));
  const at = series.epoch.map((_, i) => i).filter((i) => i % stride === 0 || i === series.epoch.length - 1);
  return at.map((i) => [`${modelName}, seed ${run.seed}`, series.epoch[i] ?? 0, ...names.map((n) => number(series.columns[n]?.[i]))]);
}

function seriesNumbers(
  model: ReportModel,
  labels: string[],
  names: string[],
  pick: (r: ReportRun) => ReportRun["progress"] = (r) => r.curves,
): Numbers {
  const rows = leads(model).flatMap((run) => {
    const series = pick(run);
    return series === null ? [] : thin(run, modeOf(model, run.mode).title, names, series);
  });
  return { columns: ["Run", "Epoch", ...labels], rows };
}

/** Loss of each mode, log scale, train and test, with phases. */
export function lossFigure(model: ReportModel): HTMLElement | null {
  const runs = trained(model);
  if (runs.length === 0) return null;
  const axis = logAxis(
    runs.flatMap((r) => [...(r.curves.columns.trainLoss ?? []), ...(r.curves.columns.testLoss ?? [])]),
    "cross-entropy (nats)",
  );
  const panels = runs.map((run) =>
    panel(badge(modeOf(model, run.mode)), `${lastEpoch(run).toLocaleString("en")} epochs`, lossChart(model, run, axis.scale)),
  );
  return figure({
    id: "loss",
    title: "Loss on the pairs trained on and on the others",
    legend: lineLegend([
      ["", "test"],
      ["5 3", "train"],
      ["1 4", "chance, ln p"],
    ]),
    body: [grid(3, ...panels)],
    caption: `Mean cross-entropy in nats, logarithmic. Bands are the phases of training by the rules under Methods. The dotted rule marks the first epoch with test accuracy of at least ${percent(model.thresholds.grok)}. Seed ${runs[0]?.seed ?? 0} of each mode.`,
    numbers: seriesNumbers(
      model,
      ["Train loss", "Test loss", "Train accuracy", "Test accuracy"],
      ["trainLoss", "testLoss", "trainAccuracy", "testAccuracy"],
    ),
  });
}

function lossChart(model: ReportModel, run: ReportRun, y: Plot.ScaleOptions): SVGSVGElement | HTMLElement {
  const last = lastEpoch(run);
  const hue = colour(run.mode);
  const tips = Plot.tip(
    points(run.curves, "testLoss"),
    Plot.pointerX({
      x: "epoch",
      y: "value",
      title: (d: { epoch: number; value: number }) => `epoch ${d.epoch}\ntest loss ${number(d.value)}`,
      fill: "var(--panel)",
      stroke: "var(--line-2)",
    }),
  );
  return chart(`Train and test loss of ${modeOf(model, run.mode).title} by epoch, logarithmic`, {
    x: epochAxis(last),
    y,
    marginTop: 36,
    marks: [
      ...phaseMarks(run.phases, last),
      Plot.ruleY([model.task.chanceLoss], { stroke: "var(--ink-3)", strokeDasharray: "1 4" }),
      line(run.curves, "trainLoss", hue, { strokeDasharray: "5 3", strokeWidth: 1.2 }),
      line(run.curves, "testLoss", hue, { strokeWidth: 2 }),
      ...grokMarks(run),
      tips,
    ],
  });
}

/** Test accuracy of all runs in one plane. */
export function accuracyFigure(model: ReportModel): HTMLElement | null {
  const runs = model.runs.filter((r) => r.curves.epoch.length > 0);
  if (runs.length === 0) return null;
  const last = Math.max(1, ...runs.map(lastEpoch));
  const main = new Set(leads(model));
  const marks: Mark[] = [
    Plot.ruleY([model.thresholds.grok], { stroke: "var(--ink-3)", strokeDasharray: "1 3" }),
    ...runs.map((r) => line(r.curves, "testAccuracy", colour(r.mode), { strokeWidth: main.has(r) ? 2.2 : 1, strokeOpacity: main.has(r) ? 1 : 0.5 })),
  ];
  return figure({
    id: "accuracy",
    title: "Test accuracy, all modes together",
    legend: modeLegend(model.modes),
    body: [
      chart("Test accuracy by epoch, one line a run", {
        width: 1080,
        height: 300,
        x: { ...epochAxis(last), ticks: 10 },
        y: { domain: [0, 1], label: "share of test pairs right", labelArrow: "none", grid: true, tickFormat: "%" },
        marginTop: 18,
        marginLeft: 48,
        marks,
      }),
    ],
    caption:
      "Share of unseen pairs answered rightly. Li's architecture cannot tell (a, b) from (b, a), so a model that only memorises already answers the test pairs whose mirror image it was trained on: the plateau near the train fraction is not generalisation. Thin lines are further seeds.",
  });
}

const MEASURES: [column: string, label: string, dash: string][] = [
  ["testLoss", "test", ""],
  ["trainLoss", "train", "5 3"],
  ["restricted", "restricted", "1.5 3"],
  ["excluded", "excluded", "8 2 2 2"],
];

/** Restricted and excluded loss along training. */
export function progressFigure(model: ReportModel): HTMLElement | null {
  const runs = leads(model).filter((r) => r.progress !== null);
  if (runs.length === 0) return null;
  const axis = logAxis(
    runs.flatMap((r) => MEASURES.flatMap(([c]) => r.progress?.columns[c] ?? [])),
    "cross-entropy (nats)",
  );
  const panels = runs.map((run) =>
    panel(badge(modeOf(model, run.mode)), `keys ${run.final?.keys.join(", ") ?? "–"}`, progressChart(model, run, axis.scale)),
  );
  return figure({
    id: "progress",
    title: "Progress measures along training",
    legend: lineLegend(MEASURES.map(([, label, dash]) => [dash, label, label === "excluded" || label === "restricted" ? "var(--ink)" : undefined])),
    body: [grid(3, ...panels)],
    caption:
      "Restricted loss keeps only the directions cos, sin(wₖ(a+b)) of the final key frequencies; excluded loss removes them and looks at the train pairs. Restricted falling while test loss is still high means that the circuit is there under the memorised answers; excluded rising means that the train pairs, too, come to rest on it.",
    numbers: seriesNumbers(
      model,
      MEASURES.map(([, l]) => l),
      MEASURES.map(([c]) => c),
      (r) => r.progress,
    ),
  });
}

function progressChart(model: ReportModel, run: ReportRun, y: Plot.ScaleOptions): SVGSVGElement | HTMLElement {
  const series = run.progress ?? { epoch: [], columns: {} };
  const last = series.epoch.at(-1) ?? 1;
  const hue = colour(run.mode);
  const stroke = (c: string): string => (c === "restricted" || c === "excluded" ? "var(--ink)" : hue);
  const lines = MEASURES.map(([c, , dash]) => line(series, c, stroke(c), { strokeDasharray: dash, strokeWidth: c === "trainLoss" ? 1.1 : 1.8 }));
  return chart(`Progress measures of ${modeOf(model, run.mode).title} by epoch`, {
    x: epochAxis(last),
    y,
    marginTop: 36,
    marks: [...phaseMarks(run.phases, last), ...lines],
  });
}

const QUANTITIES: [column: string, title: string, axis: string][] = [
  ["logitFve", "Logits explained by the key cosines", "share of the sum of squares"],
  ["embeddingGini", "Gini of the embedding's spectrum", "Gini coefficient"],
  ["mapGini", "Gini of the neuron-to-logit map", "Gini coefficient"],
  ["weightNorm", "Sum of squared weights", "sum of squares"],
];

/** Sparsity and norm along training, all modes in each panel. */
export function sparsityFigure(model: ReportModel): HTMLElement | null {
  const runs = leads(model).filter((r) => r.progress !== null);
  if (runs.length === 0) return null;
  const last = Math.max(1, ...runs.map((r) => r.progress?.epoch.at(-1) ?? 0));
  const panels = QUANTITIES.map(([column, title, axis]) => panel(title, "", quantityChart(runs, column, title, axis, last)));
  return figure({
    id: "sparsity",
    title: "How concentrated the weights become",
    legend: modeLegend(runs.map((r) => modeOf(model, r.mode))),
    body: [grid(4, ...panels)],
    caption:
      "Gini is 0 when all Fourier components have the same norm and nears 1 when few carry everything. Weights are those stored (latent) for the sum of squares, and those the forward pass multiplies with for the neuron-to-logit map.",
    numbers: seriesNumbers(
      model,
      QUANTITIES.map(([, t]) => t),
      QUANTITIES.map(([c]) => c),
      (r) => r.progress,
    ),
  });
}

function quantityChart(runs: ReportRun[], column: string, title: string, axis: string, last: number): SVGSVGElement | HTMLElement {
  const values = runs.flatMap((r) => r.progress?.columns[column] ?? []).filter((v): v is number => v !== null);
  const top = column === "weightNorm" ? Math.max(1, ...values) * 1.05 : 1;
  const marks = runs.map((r) => line(r.progress ?? r.curves, column, colour(r.mode), { strokeWidth: 1.8 }));
  return chart(`${title} by epoch, one line a mode`, {
    width: 280,
    height: 190,
    x: { ...epochAxis(last), ticks: 4 },
    y: {
      domain: [0, top],
      label: axis,
      labelArrow: "none",
      grid: true,
      ticks: 5,
      ...(column === "weightNorm" ? { tickFormat: (x: number) => (x >= 1000 ? `${x / 1000}k` : String(x)) } : {}),
    },
    marks,
  });
}

/** Code flips per weight and step along training. */
export function flipFigure(model: ReportModel): HTMLElement | null {
  const runs = leads(model).filter((r) => r.flips !== null && r.flips.epoch.length > 0);
  if (runs.length === 0) return null;
  const panels = runs.map((run) => panel(badge(modeOf(model, run.mode)), "", flipChart(model, run, flipAxis(runs))));
  return figure({
    id: "flips",
    title: "How often codes flip",
    legend: lineLegend([["", "mean of the six matrices"]]),
    body: [grid(3, ...panels)],
    caption:
      "Share of codes that change in one step, averaged over the steps between two points. Thin lines are single matrices; the table tells them apart. A matrix without a flip lies at the foot. Latent weights keep moving after the loss has settled; codes move only when a weight crosses a threshold.",
    numbers: {
      columns: ["Run", "Epoch", ...Object.keys(runs[0]?.flips?.columns ?? {})],
      rows: runs.flatMap((r) => thin(r, modeOf(model, r.mode).title, Object.keys(r.flips?.columns ?? {}), r.flips ?? r.curves)),
    },
  });
}

/** Five decades below the most frequent flips: rarer ones are below one code in a matrix. */
function flipAxis(runs: ReportRun[]): Plot.ScaleOptions {
  const all = runs.flatMap((r) => Object.values(r.flips?.columns ?? {}).flat()).filter((v): v is number => v !== null && v > 0);
  const hi = Math.max(1e-6, ...all);
  const domain: [number, number] = [Math.max(Math.min(...all, hi / 10), hi * 1e-5) / 1.3, hi * 1.3];
  return {
    type: "log",
    domain,
    clamp: true,
    grid: true,
    label: "flips per weight and step",
    labelArrow: "none",
    ticks: decades(...domain),
    tickFormat: decadeLabel,
  };
}

function flipChart(model: ReportModel, run: ReportRun, y: Plot.ScaleOptions): SVGSVGElement | HTMLElement {
  const flips = run.flips ?? { epoch: [], columns: {} };
  const names = Object.keys(flips.columns);
  const mean = flips.epoch.map((_, i) => names.reduce((sum, n) => sum + (flips.columns[n]?.[i] ?? 0), 0) / Math.max(1, names.length));
  const series = { epoch: flips.epoch, columns: { mean } };
  const last = flips.epoch.at(-1) ?? 1;
  const thinLines = names.map((n) => line(flips, n, colour(run.mode), { strokeWidth: 0.8, strokeOpacity: 0.5 }));
  return chart(`Code flips of ${modeOf(model, run.mode).title} by epoch, logarithmic`, {
    x: epochAxis(last),
    y,
    marks: [...thinLines, line(series, "mean", colour(run.mode), { strokeWidth: 2.2 })],
  });
}
