/** Figures that set modes side by side: codes, ablations, clock and pizza, seeds, and all at a glance. */
import * as Plot from "@observablehq/plot";
import { CODE_RAMP } from "../../../plots/theme.ts";
import type { FinalPictures, ReportModel, RunPlane } from "../model.ts";
import { chart, logAxis } from "./chart.ts";
import { strip } from "./circuit.ts";
import { el } from "./dom.ts";
import { figure, grid, panel } from "./figure.ts";
import { decadeLabel, decades, number, percent } from "./format.ts";
import { badge, colour, modeLegend, symbol } from "./palette.ts";
import { heat } from "./rasters.ts";
import { finals, modeOf } from "./select.ts";

const CODE_COLOURS = { minus: CODE_RAMP[0], zero: "var(--none-bg)", plus: CODE_RAMP[2] };

/** Shares of -1, 0 and +1 in each quantised matrix. */
export function codeFigure(model: ReportModel): HTMLElement | null {
  const all = finals(model).filter(({ final }) => final.codes.length > 0);
  if (all.length === 0) return null;
  const panels = all.map(({ mode, final }) => panel(badge(mode), "", codeChart(mode.title, final)));
  return figure({
    id: "codes",
    title: "Codes of the quantised matrices",
    legend: el(
      "div",
      { class: "legend" },
      ...(["minus", "zero", "plus"] as const).map((c) =>
        el("span", { class: "badge" }, swatch(CODE_COLOURS[c]), c === "minus" ? "−1" : c === "zero" ? "0" : "+1"),
      ),
    ),
    body: [grid(3, ...panels)],
    caption:
      "Share of each code at the last checkpoint. These are the matrices the forward pass multiplies with; the paper's notebooks looked at a matrix that is never trained (B1 under Methods).",
    numbers: {
      columns: ["Run and matrix", "−1", "0", "+1"],
      rows: all.flatMap(({ mode, final }) =>
        final.codes.map((c) => [`${mode.title}, ${c.matrix}`, percent(c.minus), percent(c.zero), percent(c.plus)]),
      ),
    },
  });
}

function swatch(background: string): HTMLElement {
  const dot = el("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = background;
  dot.style.boxShadow = "0 0 0 1px var(--line-2)";
  return dot;
}

function codeChart(title: string, final: FinalPictures): SVGSVGElement | HTMLElement {
  const parts = final.codes.flatMap((c) => [
    { matrix: c.matrix, from: 0, to: c.minus, fill: CODE_COLOURS.minus },
    { matrix: c.matrix, from: c.minus, to: c.minus + c.zero, fill: CODE_COLOURS.zero },
    { matrix: c.matrix, from: c.minus + c.zero, to: 1, fill: CODE_COLOURS.plus },
  ]);
  const zeros = final.codes.filter((c) => c.zero > 0.04);
  return chart(`Shares of the codes of ${title}, one bar a matrix`, {
    height: 180,
    x: { domain: [0, 1], label: "share of weights", labelArrow: "none", labelAnchor: "center", tickFormat: "%", ticks: 4 },
    y: { label: null, domain: final.codes.map((c) => c.matrix), padding: 0.28, tickSize: 0 },
    marks: [
      Plot.barX(parts, { y: "matrix", x1: "from", x2: "to", fill: "fill" }),
      Plot.text(zeros, {
        y: "matrix",
        x: (c: { minus: number; zero: number }) => c.minus + c.zero / 2,
        text: (c: { zero: number }) => `${Math.round(100 * c.zero)} %`,
        fill: "var(--ink-2)",
        fontSize: 9,
      }),
    ],
    color: { type: "identity" },
  });
}

/** The code matrices themselves. */
export function codeImageFigure(model: ReportModel): HTMLElement | null {
  const all = finals(model).filter(({ final }) => final.codePictures.length > 0);
  if (all.length === 0) return null;
  const rows = all.map(({ mode, final }) =>
    strip(
      badge(mode),
      "",
      el(
        "div",
        { class: "tiles" },
        ...final.codePictures.map((c) =>
          heat(c.raster, {
            title: `${c.matrix} · ${c.raster.height} × ${c.raster.width}`,
            alt: `Codes of ${c.matrix} of ${mode.title}`,
            x: c.x,
            y: c.y,
            ramp: "codes",
            bare: true,
          }),
        ),
      ),
    ),
  );
  return figure({
    id: "code-images",
    title: "The trained codes as pictures",
    body: rows,
    caption:
      "Blue −1, light 0, orange +1; 128 residual channels down or across. Neurons of W_in and W_out run across, sorted by their frequency and, within a frequency, by cluster membership, so that structure, where there is any, shows as bands.",
  });
}

/** Loss after each ablation, one mark a mode. */
export function ablationFigure(model: ReportModel): HTMLElement | null {
  const all = finals(model).filter(({ final }) => final.ablations.length > 0);
  if (all.length === 0) return null;
  const rows = all.flatMap(({ mode, final }) => final.ablations.map((a) => ({ ...a, mode: mode.id, title: mode.title })));
  const names = [...new Set(rows.filter((r) => !r.detail).map((r) => r.name))];
  const shown = rows.filter((r) => names.includes(r.name) && r.loss !== null && r.loss > 0);
  const axis = logAxis(
    shown.map((r) => r.loss),
    "cross-entropy (nats)",
  );
  const domain = axis.scale.domain as [number, number];
  const dots = all.map(({ mode }) =>
    Plot.dot(
      shown.filter((r) => r.mode === mode.id),
      {
        x: "loss",
        y: "name",
        r: 5,
        symbol: symbol(mode.id),
        stroke: colour(mode.id),
        fill: colour(mode.id),
        fillOpacity: 0.25,
        strokeWidth: 1.6,
        title: (r: { title: string; name: string; loss: number }) => `${r.title}\n${r.name}\nloss ${number(r.loss)}`,
      },
    ),
  );
  return figure({
    id: "ablations",
    title: "What breaks when a part is taken away",
    legend: modeLegend(all.map(({ mode }) => mode)),
    body: [
      chart("Loss after each ablation, logarithmic, one mark a mode", {
        width: 1080,
        height: 60 + 26 * names.length,
        marginLeft: 300,
        marginRight: 24,
        x: { ...axis.scale, ticks: decades(...domain, 10), tickFormat: decadeLabel, labelAnchor: "center" },
        y: { domain: names, label: null, tickSize: 0, grid: true },
        marks: [Plot.ruleX([model.task.chanceLoss], { stroke: "var(--ink-3)", strokeDasharray: "1 4" }), ...dots],
      }),
    ],
    caption:
      "Mean cross-entropy over all pairs with one part replaced. Right of the dotted rule (chance, ln p) the model is worse than guessing. Where keeping only the key directions leaves the loss as it was, or lowers it, those directions are the computation. In Li's architecture neurons also cancel functions of a alone and of b alone that the residual stream carries past them; the ablation that keeps these as well shows how much of the loss that explains.",
    numbers: { columns: ["Run and ablation", "Loss"], rows: rows.map((r) => [`${r.title}: ${r.name}`, number(r.loss)]) },
  });
}

const REFERENCES = [
  { name: "Zhong et al., model A (pizza)", symmetricity: 0.9937, irrelevance: 0.1717 },
  { name: "model B (clock)", symmetricity: 0.3336, irrelevance: 0.8483 },
];

/** The plane of gradient symmetricity and distance irrelevance. */
export function planeFigure(model: ReportModel): HTMLElement {
  const runs = planeRuns(model);
  return figure({
    id: "plane",
    title: "Clock or pizza",
    legend: modeLegend(model.modes),
    body: [el("div", { class: "grid grid-plane" }, planeChart(model, runs), fitChart(model))],
    caption: planeCaption(model),
    numbers: {
      columns: ["Run", "Gradient symmetricity", "Distance irrelevance", "Symmetricity, untrained", "Irrelevance, untrained"],
      rows: runs.map((r) => [
        r.label,
        number(r.symmetricity),
        number(r.irrelevance),
        number(r.untrainedSymmetricity),
        number(r.untrainedIrrelevance),
      ]),
    },
  });
}

interface PlacedRun extends RunPlane {
  mode: string;
  label: string;
}

function planeRuns(model: ReportModel): PlacedRun[] {
  return model.runs.flatMap((r) => (r.plane === null ? [] : [{ ...r.plane, mode: r.mode, label: `${modeOf(model, r.mode).title}, seed ${r.seed}` }]));
}

function planeCaption({ thresholds: t }: ReportModel): string {
  return `Left: filled marks are trained models, hollow ones the same networks before training, joined by a line; crosses are two published models. Shaded are the regions in which this report says pizza (symmetricity at least ${t.pizzaSymmetricity}, irrelevance at most ${t.pizzaIrrelevance}) or clock (at most ${t.clockSymmetricity}, at least ${t.clockIrrelevance}). Uniform attention forces symmetricity to 1, and a network that has learned nothing is there too: read both axes, and the way from the hollow mark. Right: squared correlation of the logits of one isolated circle with the formula of the clock and of the pizza; above the diagonal the pizza fits better.`;
}

function planeChart(model: ReportModel, runs: PlacedRun[]): SVGSVGElement | HTMLElement {
  const left = Math.min(0, ...runs.flatMap((r) => [r.symmetricity ?? 0, r.untrainedSymmetricity ?? 0])) - 0.03;
  return chart("Gradient symmetricity against distance irrelevance, one mark a run", {
    width: 640,
    height: 430,
    x: { domain: [left, 1.03], label: "gradient symmetricity", labelArrow: "none", labelAnchor: "center", ticks: 6 },
    y: { domain: [0, 1.05], label: "distance irrelevance", labelArrow: "none", ticks: 6, grid: true },
    marks: [...regionMarks(model, left), ...referenceMarks(), ...runs.flatMap(runMarks)],
  });
}

function regionMarks({ thresholds: t }: ReportModel, left: number): Plot.Markish[] {
  return [
    Plot.rect([0], { x1: t.pizzaSymmetricity, x2: 1.03, y1: 0, y2: t.pizzaIrrelevance, fill: "var(--band-a)" }),
    Plot.rect([0], { x1: left, x2: t.clockSymmetricity, y1: t.clockIrrelevance, y2: 1.05, fill: "var(--band-a)" }),
    Plot.text([[t.pizzaSymmetricity - 0.01, 0.03]], { text: ["pizza →"], fill: "var(--ink-3)", textAnchor: "end", fontSize: 11 }),
    Plot.text([[left + 0.02, t.clockIrrelevance + 0.03]], { text: ["clock"], fill: "var(--ink-3)", textAnchor: "start", fontSize: 11 }),
  ];
}

function referenceMarks(): Plot.Markish[] {
  return [
    Plot.dot(REFERENCES, { x: "symmetricity", y: "irrelevance", symbol: "times", stroke: "var(--ink-2)", r: 4 }),
    Plot.text(REFERENCES, { x: "symmetricity", y: "irrelevance", text: "name", dx: -9, textAnchor: "end", fontSize: 10, fill: "var(--ink-2)" }),
  ];
}

function runMarks(r: PlacedRun): Plot.Markish[] {
  const hue = colour(r.mode);
  const trained = Plot.dot([r], {
    x: "symmetricity",
    y: "irrelevance",
    r: 5.5,
    symbol: symbol(r.mode),
    fill: hue,
    stroke: "var(--panel)",
    title: "label",
  });
  if (r.untrainedSymmetricity === null) return [trained];
  return [
    Plot.link([r], {
      x1: "untrainedSymmetricity",
      y1: "untrainedIrrelevance",
      x2: "symmetricity",
      y2: "irrelevance",
      stroke: hue,
      strokeOpacity: 0.3,
    }),
    Plot.dot([r], { x: "untrainedSymmetricity", y: "untrainedIrrelevance", r: 3.2, symbol: symbol(r.mode), stroke: hue, fill: "var(--panel)" }),
    trained,
  ];
}

function fitChart(model: ReportModel): SVGSVGElement | HTMLElement {
  const all = finals(model);
  const data = all.flatMap(({ mode, final }) => final.fits.map((f) => ({ ...f, mode: mode.id, label: `${mode.short} k ${f.k}` })));
  return chart("Squared correlation of isolated circles with clock and pizza logits", {
    width: 420,
    height: 440,
    x: { domain: [0, 1], label: "fit of the clock (squared correlation)", labelArrow: "none", labelAnchor: "center", ticks: 5, grid: true },
    y: { domain: [0, 1], label: "fit of the pizza (squared correlation)", labelArrow: "none", ticks: 5, grid: true },
    marks: [
      Plot.link([0], { x1: 0, y1: 0, x2: 1, y2: 1, stroke: "var(--line-2)" }),
      ...all.map(({ mode }) =>
        Plot.dot(
          data.filter((d) => d.mode === mode.id),
          {
            x: "clock",
            y: "pizza",
            symbol: symbol(mode.id),
            r: 4.5,
            stroke: colour(mode.id),
            fill: colour(mode.id),
            fillOpacity: 0.3,
            title: "label",
          },
        ),
      ),
    ],
  });
}

/** Correct-class logit by sum and difference of the inputs. */
export function distanceFigure(model: ReportModel): HTMLElement | null {
  const all = finals(model).filter(({ final }) => final.distance !== null);
  if (all.length === 0) return null;
  const panels = all.map(({ mode, final }) =>
    panel(
      badge(mode),
      `irrelevance ${number(final.irrelevance)}`,
      final.distance === null
        ? null
        : heat(final.distance, {
            title: "",
            alt: `Correct logit of ${mode.title} by sum and difference of the inputs`,
            x: "a − b mod p →",
            y: "a + b mod p ↓",
          }),
    ),
  );
  return figure({
    id: "distance",
    title: "Does the margin depend on the distance between a and b?",
    body: [grid(3, ...panels)],
    caption:
      "Logit of the right answer by s = a + b (down) and d = a − b (across). Vertical stripes: it depends on the distance alone, as in a pizza. No stripes: it does not, as in a clock.",
  });
}

/** Spread over seeds. */
export function seedFigure(model: ReportModel): HTMLElement | null {
  if (new Set(model.runs.map((r) => r.seed)).size < 2) return null;
  const order = model.modes.map((m) => m.id);
  const panels = model.seedNumbers.map((n) => {
    const values = n.values.filter((v) => v.value !== null);
    const means = order.flatMap((mode) => {
      const own = values.filter((v) => v.mode === mode).map((v) => v.value ?? 0);
      return own.length === 0 ? [] : [{ mode, value: own.reduce((a, b) => a + b, 0) / own.length }];
    });
    return panel(
      n.label,
      n.unit,
      chart(`${n.label} of every seed by mode`, {
        width: 300,
        height: 40 + 26 * order.length,
        marginLeft: 84,
        x: { label: n.unit, labelArrow: "none", labelAnchor: "center", ticks: 4, nice: true, zero: n.unit === "count" },
        y: { domain: order, label: null, tickFormat: (m: string) => modeOf(model, m).short, tickSize: 0, grid: true },
        marks: [
          Plot.tickX(means, { x: "value", y: "mode", stroke: "var(--ink)", strokeWidth: 2, insetTop: 5, insetBottom: 5 }),
          ...order.map((mode) =>
            Plot.dot(
              values.filter((v) => v.mode === mode),
              {
                x: "value",
                y: "mode",
                symbol: symbol(mode),
                r: 4,
                fill: colour(mode),
                fillOpacity: 0.75,
                title: (v: { seed: number; value: number }) => `seed ${v.seed}: ${number(v.value)}`,
              },
            ),
          ),
        ],
      }),
    );
  });
  return figure({
    id: "seeds",
    title: "Spread over seeds",
    legend: modeLegend(model.modes),
    body: [grid(3, ...panels)],
    caption: "One mark a seed, the upright tick is the mean. Runs that did not reach the mark in question are left out of its panel.",
    numbers: {
      columns: ["Mode and seed", ...model.seedNumbers.map((n) => n.label)],
      rows: model.runs.map((r) => [
        `${modeOf(model, r.mode).title}, seed ${r.seed}`,
        ...model.seedNumbers.map((n) => number(n.values.find((v) => v.mode === r.mode && v.seed === r.seed)?.value)),
      ]),
    },
  });
}
