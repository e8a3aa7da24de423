/** All modes side by side: one row a mode, one small picture a question. */
import * as Plot from "@observablehq/plot";
import type { FinalPictures, ReportModel, ReportRun } from "../model.ts";
import { chart, line } from "./chart.ts";
import { type Child, el } from "./dom.ts";
import { figure } from "./figure.ts";
import { badge, colour } from "./palette.ts";
import { png } from "./rasters.ts";
import { leads, modeOf, trained } from "./select.ts";

const HEADINGS = ["", "Accuracy by epoch", "Loss by epoch (log)", "Embedding spectrum", "A circle", "Attention to a", "A neuron", "Logit spectrum"];

/** The gallery. Pictures have no axes here: each stands larger, with axes, further down. */
export function glanceFigure(model: ReportModel): HTMLElement | null {
  if (trained(model).length === 0) return null;
  const last = Math.max(1, ...leads(model).map((r) => r.curves.epoch.at(-1) ?? 0));
  const rows = leads(model).map((run) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, badge(modeOf(model, run.mode))),
      ...cells(run, last).map((c, i) => el("td", { class: i < 3 ? "" : "small" }, c)),
    ),
  );
  return figure({
    id: "glance",
    title: "All modes at a glance",
    body: [
      el(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "All modes at a glance" },
        el(
          "table",
          { class: "glance" },
          el("thead", {}, el("tr", {}, ...HEADINGS.map((h) => el("th", { scope: "col" }, h)))),
          el("tbody", {}, ...rows),
        ),
      ),
    ],
    caption:
      "Each column answers one question with the same picture for every mode; solid lines are test, dashed train. All are shown larger, with axes and numbers, in the sections below.",
  });
}

function cells(run: ReportRun, last: number): Child[] {
  const hue = colour(run.mode);
  const f = run.final;
  const spark = (columns: [string, string][], y: Plot.ScaleOptions, what: string): Child =>
    chart(`${what} of ${run.mode}`, {
      width: 170,
      height: 92,
      margin: 4,
      x: { domain: [0, last], axis: null },
      y: { axis: null, ...y },
      marks: [
        Plot.frame({ stroke: "var(--line)" }),
        ...columns.map(([c, dash]) => line(run.curves, c, hue, { strokeDasharray: dash, strokeWidth: dash === "" ? 1.8 : 1 })),
      ],
    });
  const loss = spark(
    [
      ["trainLoss", "4 3"],
      ["testLoss", ""],
    ],
    { type: "log" },
    "Loss",
  );
  const accuracy = spark(
    [
      ["trainAccuracy", "4 3"],
      ["testAccuracy", ""],
    ],
    { domain: [0, 1.03] },
    "Accuracy",
  );
  if (f === null) return [accuracy, loss, ...Array<Child>(5).fill("–")];
  return [
    accuracy,
    loss,
    spectrum(f, hue, run.mode),
    ring(f, hue, run.mode),
    picture(f.attention[0]?.raster, "Attention"),
    picture(f.neurons[0]?.raster, "Neuron"),
    picture(f.logitSpectrum ?? undefined, "Logit spectrum"),
  ];
}

function picture(raster: FinalPictures["distance"] | undefined, alt: string): Child {
  return raster ? el("img", { src: png(raster, "value"), alt }) : "–";
}

function spectrum(f: FinalPictures, hue: string, mode: string): Child {
  const data = f.embeddingShare.map((v, i) => ({ k: i + 1, v, key: f.keys.includes(i + 1) }));
  return chart(`Embedding spectrum of ${mode}`, {
    width: 170,
    height: 92,
    margin: 4,
    x: { domain: [0, data.length + 1], axis: null },
    y: { axis: null },
    marks: [
      Plot.rectY(data, {
        x1: (d: { k: number }) => d.k - 0.4,
        x2: (d: { k: number }) => d.k + 0.4,
        y: "v",
        fill: hue,
        fillOpacity: (d: { key: boolean }) => (d.key ? 1 : 0.4),
      }),
      Plot.ruleY([0], { stroke: "var(--line-2)" }),
    ],
  });
}

function ring(f: FinalPictures, hue: string, mode: string): Child {
  const c = f.circles[0];
  if (!c) return "–";
  const reach = Math.max(...c.x.map(Math.abs), ...c.y.map(Math.abs), 1e-9) * 1.08;
  return chart(`Circle of ${mode} at frequency ${c.k}`, {
    width: 96,
    height: 96,
    margin: 2,
    x: { domain: [-reach, reach], axis: null },
    y: { domain: [-reach, reach], axis: null },
    marks: [
      Plot.dot(
        c.x.map((x, i) => ({ x, y: c.y[i] ?? 0 })),
        { x: "x", y: "y", r: 1.5, fill: hue },
      ),
    ],
  });
}
