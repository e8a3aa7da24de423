/** Figures of what a model learned: spectra, circles, attention, neurons, logits. */
import * as Plot from "@observablehq/plot";
import type { Circle, FinalPictures, ReportModel } from "../model.ts";
import { chart } from "./chart.ts";
import { type Child, el } from "./dom.ts";
import { figure, grid, panel } from "./figure.ts";
import { number, percent } from "./format.ts";
import { badge, colour, lineLegend } from "./palette.ts";
import { heat } from "./rasters.ts";
import { finals } from "./select.ts";

interface Bar {
  k: number;
  value: number;
  key: boolean;
}

const bars = (values: number[], keys: number[], sign: 1 | -1): Bar[] =>
  values.map((v, i) => ({ k: i + 1, value: sign * v, key: keys.includes(i + 1) }));

/** Embedding power upwards and logit share downwards, by frequency. */
export function spectrumFigure(model: ReportModel): HTMLElement {
  const all = finals(model);
  const top = Math.max(0.05, ...all.flatMap(({ final }) => final.embeddingShare)) * 1.12;
  const foot = Math.max(0.05, ...all.flatMap(({ final }) => final.logitShare)) * 1.12;
  const panels = all.map(({ mode, final }) =>
    panel(badge(mode), `${percent(final.logitFve)} of the logits`, spectrumChart(mode.title, final, colour(mode.id), top, foot)),
  );
  return figure({
    id: "spectra",
    title: "Frequencies in the embedding (up) and in the logits (down)",
    body: [grid(3, ...panels)],
    caption:
      "Up: share of the embedding's non-constant Fourier power at each frequency k. Down: share of the centred logits' sum of squares along cos(wₖ(a+b−c)). Key frequencies, in full colour and numbered, hold at least 2 % of the logits. Frequencies that stand up without standing down are learned but not used.",
    numbers: {
      columns: ["Run and k", "Embedding", "Neuron-to-logit map", "Logits", "Key"],
      rows: all.flatMap(({ mode, final }) =>
        final.embeddingShare.map((v, i) => [
          `${mode.title}, k = ${i + 1}`,
          percent(v),
          percent(final.mapShare[i]),
          percent(final.logitShare[i]),
          final.keys.includes(i + 1) ? "yes" : "",
        ]),
      ),
    },
  });
}

function spectrumChart(title: string, final: FinalPictures, hue: string, top: number, foot: number): SVGSVGElement | HTMLElement {
  const up = bars(final.embeddingShare, final.keys, 1);
  const down = bars(final.logitShare, final.keys, -1);
  const labelled = up.filter((b) => b.key);
  const style = { x1: (b: Bar) => b.k - 0.36, x2: (b: Bar) => b.k + 0.36, y1: 0, y2: "value", fill: hue };
  return chart(`Spectrum of ${title}: embedding power and logit share by frequency`, {
    x: { domain: [0, final.embeddingShare.length + 1], label: "frequency k", labelArrow: "none", labelAnchor: "center", ticks: 6 },
    y: {
      domain: [-foot, top],
      label: "share",
      labelArrow: "none",
      tickFormat: (y: number) => `${Math.round(Math.abs(y) * 100)} %`,
      grid: true,
      ticks: 6,
    },
    marginLeft: 40,
    marks: [
      Plot.rectY([...up, ...down], { ...style, fillOpacity: (b: Bar) => (b.key ? 1 : 0.38) }),
      Plot.ruleY([0], { stroke: "var(--ink-2)" }),
      Plot.text(labelled, { x: "k", y: "value", text: (b: Bar) => String(b.k), dy: -7, fontSize: 9.5, fontWeight: 600, fill: "var(--ink)" }),
    ],
  });
}

/** A row of a figure that shows one mode. */
export function strip(who: Child, note: string, body: Child): HTMLElement {
  return el("div", { class: "strip" }, el("div", { class: "who" }, who, note === "" ? null : el("span", { class: "note" }, note)), body);
}

/** Token embeddings in the plane of each key frequency. */
export function circleFigure(model: ReportModel): HTMLElement {
  const rows = finals(model).map(({ mode, final }) =>
    strip(badge(mode), "", el("div", { class: "tiles" }, ...final.circles.map((c) => circleTile(mode.title, c, colour(mode.id))))),
  );
  return figure({
    id: "circles",
    title: "The embedding lays the tokens on circles",
    body: rows,
    caption:
      "Every dot is a token, 0 to p − 1, in the plane of two principal components of the embedding that belong to one key frequency (or, where no pair of components does, the plane of its cosine and sine directions: said above the tile). The line joins t with the token one step further round, t + k⁻¹ mod p; the dark dots are tokens 0, 1 and 2. Axes: coordinates, equal scale, no unit.",
  });
}

function circleTile(title: string, c: Circle, hue: string): HTMLElement {
  const p = c.x.length;
  const order = ringOrder(c.k, p);
  const at = (t: number): { t: number; x: number; y: number } => ({ t, x: c.x[t] ?? 0, y: c.y[t] ?? 0 });
  const ring = order.map(at);
  const reach = Math.max(...c.x.map(Math.abs), ...c.y.map(Math.abs), 1e-9) * 1.12;
  const svg = chart(`Tokens of ${title} in the plane of frequency ${c.k}`, {
    width: 160,
    height: 160,
    margin: 4,
    x: { domain: [-reach, reach], axis: null },
    y: { domain: [-reach, reach], axis: null },
    marks: [
      Plot.ruleX([0], { stroke: "var(--line)" }),
      Plot.ruleY([0], { stroke: "var(--line)" }),
      Plot.line([...ring, ...ring.slice(0, 1)], { x: "x", y: "y", stroke: hue, strokeOpacity: 0.35, strokeWidth: 0.8 }),
      Plot.dot(ring, { x: "x", y: "y", r: 1.7, fill: hue }),
      Plot.dot([0, 1, 2].map(at), { x: "x", y: "y", r: 2.6, fill: "var(--ink)", stroke: "var(--panel)" }),
      Plot.text([0, 1, 2].map(at), {
        x: "x",
        y: "y",
        text: (d: { t: number }) => String(d.t),
        dx: 7,
        dy: -5,
        fontSize: 9,
        fill: "var(--ink)",
        stroke: "var(--panel)",
        strokeWidth: 3,
      }),
    ],
  });
  return el("div", { class: "tile" }, el("div", { class: "heat-title" }, `k = ${c.k} · ${c.plane}`), svg);
}

/** Tokens in the order in which frequency k meets them going round: 0, k⁻¹, 2k⁻¹, ... (all of them when k and p share no factor). */
function ringOrder(k: number, p: number): number[] {
  return Array.from({ length: p }, (_, t) => t).sort((a, b) => ((a * k) % p) - ((b * k) % p) || a - b);
}

/** Attention to a over all pairs, each head. */
export function attentionFigure(model: ReportModel): HTMLElement {
  const rows = finals(model).map(({ mode, final }) =>
    strip(
      badge(mode),
      "",
      el(
        "div",
        { class: "tiles tiles-4" },
        ...final.attention.map((h) =>
          heat(h.raster, {
            title: `head ${h.head}`,
            alt: `Attention of ${mode.title}, head ${h.head}, to the first number over all pairs`,
            x: "b →",
            y: "a ↓",
          }),
        ),
      ),
    ),
  );
  return figure({
    id: "attention",
    title: "Attention to the first number, over all pairs",
    body: rows,
    caption:
      "Probability with which “=” attends to a, for every a (down) and b (across), 0 to p − 1. The range of each picture is printed below it; an even picture near ⅓ is uniform attention over the three tokens.",
  });
}

/** The purest neuron of each cluster over all pairs. */
export function neuronFigure(model: ReportModel): HTMLElement {
  const rows = finals(model).map(({ mode, final }) =>
    strip(
      badge(mode),
      "",
      el(
        "div",
        { class: "tiles" },
        ...final.neurons.map((n) =>
          heat(n.raster, {
            title: `#${n.index} · k ${n.k} · ${percent(n.fve)}`,
            alt: `Activation of neuron ${n.index} of ${mode.title} over all pairs, frequency ${n.k}, ${percent(n.fve)} explained`,
            x: "b →",
            y: "a ↓",
          }),
        ),
      ),
    ),
  );
  return figure({
    id: "neurons",
    title: "Neurons respond to one frequency",
    body: rows,
    caption:
      "Activation after the ReLU at “=”, for every a (down) and b (across). The purest neuron of each cluster, then the least pure live one; above each its number, its frequency and the share of its variance that degree-2 polynomials of that frequency explain.",
  });
}

/** Histogram of how well one frequency explains each neuron. */
export function clusterFigure(model: ReportModel): HTMLElement {
  const all = finals(model);
  const top = Math.max(1, ...all.flatMap(({ final }) => final.fveHistogram)) * 1.08;
  const panels = all.map(({ mode, final }) =>
    panel(badge(mode), clusterNote(final), histogram(mode.title, final.fveHistogram, colour(mode.id), top, model.thresholds.cluster)),
  );
  return figure({
    id: "clusters",
    title: "How well one frequency explains each neuron",
    body: [grid(3, ...panels)],
    caption: `Live neurons by the largest share of their variance that one frequency explains (constants removed, k = 1 to (p−1)/2 counted once each). A neuron right of the rule, at least ${model.thresholds.cluster}, belongs to its frequency's cluster. Heading: cluster sizes as k:neurons.`,
    numbers: {
      columns: ["Run and bin", "Neurons"],
      rows: all.flatMap(({ mode, final }) =>
        final.fveHistogram.map((n, i) => [`${mode.title}, ${(i * 0.05).toFixed(2)} to ${((i + 1) * 0.05).toFixed(2)}`, n]),
      ),
    },
  });
}

function clusterNote(final: FinalPictures): string {
  const shown = [...final.clusters].sort((a, b) => b.neurons - a.neurons).slice(0, 6);
  return shown.map((c) => `${c.k}:${c.neurons}`).join("  ") + (final.clusters.length > shown.length ? " …" : "");
}

function histogram(title: string, counts: number[], hue: string, top: number, threshold: number): SVGSVGElement | HTMLElement {
  const width = 1 / Math.max(1, counts.length);
  const data = counts.map((n, i) => ({ from: i * width, to: (i + 1) * width, n }));
  return chart(`Histogram of the best explained share of the neurons of ${title}`, {
    height: 170,
    x: { domain: [0, 1], label: "variance explained by the best frequency", labelArrow: "none", labelAnchor: "center", ticks: 5 },
    y: { domain: [0, top], label: "neurons", labelArrow: "none", grid: true, ticks: 4 },
    marks: [
      Plot.rectY(data, {
        x1: "from",
        x2: "to",
        y: "n",
        fill: hue,
        fillOpacity: (d: { from: number }) => (d.from >= threshold - 1e-9 ? 1 : 0.4),
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.ruleX([threshold], { stroke: "var(--ink-2)", strokeDasharray: "2 3" }),
      Plot.ruleY([0], { stroke: "var(--ink-2)" }),
    ],
  });
}

/** Mean logit by distance from the answer, model and fit. */
export function offsetFigure(model: ReportModel): HTMLElement {
  const all = finals(model);
  const panels = all.map(({ mode, final }) =>
    panel(badge(mode), `key cosines: ${percent(final.logitFve)}`, offsetChart(mode.title, final.offset, colour(mode.id))),
  );
  return figure({
    id: "logit-fit",
    title: "Waves that add up only at the answer",
    legend: lineLegend([
      ["", "model"],
      ["1.5 3", "sum of key cosines", "var(--ink)"],
    ]),
    body: [grid(3, ...panels)],
    caption:
      "Centred logit of class c, averaged over all pairs, by its distance c − (a+b) mod p from the right answer, and the least-squares sum of αₖ cos(wₖ(a+b−c)) over the key frequencies. Heading: share of the logits' sum of squares (not averaged) that the key cosines explain.",
  });
}

function offsetChart(title: string, offset: FinalPictures["offset"], hue: string): SVGSVGElement | HTMLElement {
  const p = offset.model.length;
  const centred = (values: number[]): { d: number; y: number }[] => values.map((y, d) => ({ d: d > p / 2 ? d - p : d, y })).sort((a, b) => a.d - b.d);
  return chart(`Mean logit of ${title} by distance from the answer, with the fit by key cosines`, {
    height: 190,
    x: { label: "c − (a + b) mod p", labelArrow: "none", labelAnchor: "center", ticks: 6 },
    y: { label: "logit", labelArrow: "none", grid: true, ticks: 5 },
    marks: [
      Plot.ruleY([0], { stroke: "var(--line-2)" }),
      Plot.line(centred(offset.model), { x: "d", y: "y", stroke: hue, strokeWidth: 1.8 }),
      Plot.line(centred(offset.fit), { x: "d", y: "y", stroke: "var(--ink)", strokeWidth: 1.2, strokeDasharray: "1.5 3" }),
    ],
  });
}

/** 2-D Fourier spectra of the logits, and the correct logit by sum and difference. */
export function logitFigure(model: ReportModel): HTMLElement {
  const all = finals(model).filter(({ final }) => final.logitSpectrum !== null);
  const panels = all.flatMap(({ mode, final }) => {
    const spectrum =
      final.logitSpectrum === null
        ? null
        : heat(final.logitSpectrum, {
            title: "",
            alt: `2-D Fourier spectrum of the logits of ${mode.title}`,
            x: "Fourier component of b →",
            y: "Fourier component of a ↓",
          });
    return [panel(badge(mode), "", spectrum)];
  });
  return figure({
    id: "logit-spectrum",
    title: "The logits' two-dimensional spectrum",
    body: [grid(3, ...panels)],
    caption:
      "log₁₀ of the norm over classes of each component (f, g) of the logits over (a, b), in the order constant, cos 1, sin 1, cos 2, … A clean solution shows only 2 × 2 blocks of equal frequency on the diagonal.",
  });
}

/** Singular values of the embedding beside a random control. */
export function singularFigure(model: ReportModel): HTMLElement {
  const all = finals(model);
  const panels = all.map(({ mode, final }) => {
    const series = (values: number[]): { i: number; v: number }[] => values.map((v, i) => ({ i: i + 1, v }));
    const top = Math.max(1e-9, ...final.singular.embedding, ...final.singular.random) * 1.08;
    return panel(
      badge(mode),
      `largest ${number(final.singular.embedding[0])}`,
      chart(`Singular values of the embedding of ${mode.title} and of a random control`, {
        height: 170,
        x: { label: "component", labelArrow: "none", labelAnchor: "center" },
        y: { domain: [0, top], label: "singular value", labelArrow: "none", grid: true, ticks: 4 },
        marks: [
          Plot.dot(series(final.singular.embedding), { x: "i", y: "v", r: 2, fill: colour(mode.id) }),
          Plot.line(series(final.singular.random), { x: "i", y: "v", stroke: "var(--ink-3)", strokeDasharray: "4 3" }),
        ],
      }),
    );
  });
  return figure({
    id: "svd",
    title: "Components of the embedding",
    legend: lineLegend([["4 3", "Gaussian matrix of the same shape and norm", "var(--ink-3)"]]),
    body: [grid(3, ...panels)],
    caption:
      "Singular values of the token embedding (“=” left out), the paper's control beside them. A circle takes two components; what stands above the control is signal.",
  });
}

/** Histogram of the phase condition. */
export function phaseFigure(model: ReportModel): HTMLElement {
  const all = finals(model).filter(({ final }) => final.phaseSum.some((n) => n > 0));
  const panels = all.map(({ mode, final }) => {
    const step = (2 * Math.PI) / final.phaseSum.length;
    const data = final.phaseSum.map((n, i) => ({ from: -Math.PI + i * step, to: -Math.PI + (i + 1) * step, n }));
    return panel(
      badge(mode),
      "",
      chart(`Histogram of the phase sum of the neurons of ${mode.title}`, {
        height: 160,
        x: {
          domain: [-Math.PI, Math.PI],
          label: "φ₁ + φ₂ − φ₃ (radians)",
          labelArrow: "none",
          labelAnchor: "center",
          ticks: [-Math.PI, 0, Math.PI],
          tickFormat: (x: number) => (x === 0 ? "0" : x > 0 ? "π" : "−π"),
        },
        y: { label: "neurons", labelArrow: "none", grid: true, ticks: 4 },
        marks: [
          Plot.rectY(data, { x1: "from", x2: "to", y: "n", fill: colour(mode.id), insetLeft: 0.5, insetRight: 0.5 }),
          Plot.ruleY([0], { stroke: "var(--ink-2)" }),
        ],
      }),
    );
  });
  return figure({
    id: "phases",
    title: "Phases of the neurons' inputs and outputs",
    body: [grid(3, ...panels)],
    caption:
      "In Gromov's closed-form solution every neuron reads a with phase φ₁, b with φ₂ and writes with φ₃ = φ₁ + φ₂: the sum φ₁ + φ₂ − φ₃ of clustered neurons should pile up at 0.",
  });
}
