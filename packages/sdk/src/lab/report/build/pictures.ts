/** Pictures of a last checkpoint for the page: heat maps to bytes, codes to two bits, names to words. */
import type { Ablation, ModAddAnalysis, ModAddPictures } from "../../../interp/index.ts";
import type { AblationRow, FinalPictures } from "../model.ts";
import { codeRaster, raster, round } from "../raster.ts";

/** Everything the page draws of one checkpoint. */
export function finalPictures(a: ModAddAnalysis, pictures: ModAddPictures): FinalPictures {
  return {
    keys: a.key_frequencies,
    embeddingShare: a.embedding_power_share_all.map((x) => round(x)),
    logitShare: a.logit_share_all.map((x) => round(x)),
    mapShare: pictures.unembed_spectrum.share.map((x) => round(x)),
    logitFve: round(a.logit_fve_key),
    ...circuitPictures(a, pictures),
    codes: codeShares(a),
    codePictures: codePictures(a, pictures),
    ablations: ablationRows(a.ablations),
    ...planePictures(a, pictures),
    singular: { embedding: pictures.singular_values.embedding.map((x) => round(x)), random: pictures.singular_values.random.map((x) => round(x)) },
    phaseSum: pictures.phase_sum.counts,
    offset: { model: pictures.logit_by_offset.model.map((x) => round(x)), fit: pictures.logit_by_offset.fit.map((x) => round(x)) },
  };
}

function circuitPictures(
  a: ModAddAnalysis,
  pictures: ModAddPictures,
): Pick<FinalPictures, "circles" | "attention" | "neurons" | "logitSpectrum" | "fveHistogram" | "clusters"> {
  return {
    circles: pictures.circles.slice(0, 6).map((c) => ({
      k: c.frequency,
      x: c.x.map((v) => round(v)),
      y: c.y.map((v) => round(v)),
      plane: c.source === "pca" ? `PC ${c.components.join(", ")}` : "cos, sin",
    })),
    attention: pictures.attention
      .filter((h) => h.key === "a")
      .map((h) => ({ head: h.head, raster: attentionRaster(h.map.values, h.map.cols, h.map.rows) })),
    neurons: neuronPictures(pictures),
    logitSpectrum: raster(logs(pictures.logit_spectrum.values), pictures.logit_spectrum.cols, pictures.logit_spectrum.rows),
    fveHistogram: pictures.neuron_fve.counts,
    clusters: Object.entries(a.neurons.clusters).map(([k, neurons]) => ({ k: Number(k), neurons })),
  };
}

/** Probabilities that differ by less than this over all pairs are drawn as the one shade they are, not stretched to look lively. */
const LEAST_ATTENTION_RANGE = 0.02;

function attentionRaster(values: readonly number[], width: number, height: number): FinalPictures["attention"][number]["raster"] {
  const lo = values.reduce((a, b) => Math.min(a, b), 1);
  const hi = values.reduce((a, b) => Math.max(a, b), 0);
  const pad = Math.max(0, (LEAST_ATTENTION_RANGE - (hi - lo)) / 2);
  return raster(values, width, height, lo - pad, hi + pad);
}

/** The five purest and the least pure neuron. */
function neuronPictures(pictures: ModAddPictures): FinalPictures["neurons"] {
  const sorted = [...pictures.neurons].sort((x, y) => y.fve - x.fve);
  const shown = sorted.length <= 6 ? sorted : [...sorted.slice(0, 5), ...sorted.slice(-1)];
  return shown.map((n) => ({ index: n.neuron, k: n.frequency, fve: round(n.fve), raster: raster(n.map.values, n.map.cols, n.map.rows) }));
}

/** log10, four decades deep: below that a component is rounding. */
function logs(values: readonly number[]): Float64Array {
  const top = Math.max(1e-30, ...values.slice(1));
  // The constant component (0, 0) can dwarf the rest and is no part of the circuit.
  return Float64Array.from(values, (v) => Math.log10(Math.min(top, Math.max(v, top * 1e-4))));
}

function codeShares(a: ModAddAnalysis): FinalPictures["codes"] {
  return Object.entries(a.codes).map(([matrix, c]) => ({ matrix, minus: round(c.minus), zero: round(c.zero), plus: round(c.plus) }));
}

/** Square matrices as they are; the two MLP matrices with neurons across, sorted by frequency. */
function codePictures(a: ModAddAnalysis, pictures: ModAddPictures): FinalPictures["codePictures"] {
  const order = neuronOrder(a);
  const wideFirst = [...pictures.codes].sort((x, y) => Math.max(y.rows, y.cols) - Math.max(x.rows, x.cols));
  return wideFirst.map(({ name, rows, cols, codes }) => {
    const at = (r: number, c: number): number => "-0+".indexOf(codes[r * cols + c] ?? "0") - 1;
    if (name === "W_in" && rows === order.length)
      return { matrix: name, x: "neuron →", y: "channel ↓", raster: grid(cols, rows, (r, c) => at(order[c] ?? 0, r)) };
    if (name === "W_out" && cols === order.length)
      return { matrix: name, x: "neuron →", y: "channel ↓", raster: grid(rows, cols, (r, c) => at(r, order[c] ?? 0)) };
    return { matrix: name, x: "input →", y: "output ↓", raster: grid(rows, cols, at) };
  });
}

function grid(rows: number, cols: number, at: (r: number, c: number) => number): FinalPictures["codePictures"][number]["raster"] {
  return codeRaster(
    Int8Array.from({ length: rows * cols }, (_, i) => at(Math.floor(i / cols), i % cols)),
    cols,
    rows,
  );
}

function neuronOrder(a: ModAddAnalysis): number[] {
  const { frequency, fve } = a.neurons;
  return frequency.map((_, i) => i).sort((x, y) => (frequency[x] ?? 0) - (frequency[y] ?? 0) || (fve[y] ?? 0) - (fve[x] ?? 0));
}

const ABLATIONS: Record<string, string> = {
  none: "nothing changed",
  logits_only_sums: "logits: only cos, sin(wₖ(a+b)) kept",
  logits_only_key_blocks: "logits: only key-frequency blocks kept",
  attention_zeroed: "attention adds nothing",
  attention_skip_zeroed: "residual around attention cut",
  attention_trig: "attention replaced by its fitted cosine",
  mlp_skip_zeroed: "residual around the MLP cut",
  mlp_skip_mean: "residual around the MLP averaged",
  neurons_degree_2: "clustered neurons: fitted polynomial",
  neurons_on_readout: "neurons: only read-out directions",
  neurons_off_readout: "neurons: read-out directions removed",
  neurons_only_sums: "neurons: only cos, sin(wₖ(a+b)) kept",
  neurons_sums_and_linear: "neurons: those and functions of a or b alone kept",
};

/** Rows in words; the ablations of one frequency each are summed up by the worst and listed in the table. */
export function ablationRows(ablations: readonly Ablation[]): AblationRow[] {
  const rows = ablations.map((x): AblationRow => {
    const single = /^neurons_without_(\d+)$/.exec(x.name);
    const name = single ? `neurons: frequency ${single[1]} removed` : (ABLATIONS[x.name] ?? x.name.replaceAll("_", " "));
    return { name, loss: Number.isFinite(x.all) ? round(x.all) : null, detail: single !== null };
  });
  const single = rows.filter((r) => r.detail && r.loss !== null).map((r) => r.loss ?? 0);
  return single.length === 0 ? rows : [...rows, { name: "neurons: one key frequency removed (worst)", loss: Math.max(...single), detail: false }];
}

function planePictures(a: ModAddAnalysis, pictures: ModAddPictures): Pick<FinalPictures, "irrelevance" | "fits" | "distance"> {
  const map = pictures.correct_logit_by_distance;
  return {
    irrelevance: round(a.distance_irrelevance),
    fits: a.circles.map((c) => ({ k: c.frequency, clock: round(c.clock), pizza: round(c.pizza) })),
    distance: raster(map.values, map.cols, map.rows),
  };
}
