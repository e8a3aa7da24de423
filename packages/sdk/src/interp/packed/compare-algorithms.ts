/** Do two models of different precision (or seed) compute the same in the same way? Representations, neurons and heads compared up to rotation and order. */
import { type ActivationCache, type Model, Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { configOf, linearCka, type Matching, matchUnits, procrustesSimilarity, shuffledRows, unitCorrelations } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link compareAlgorithms}. */
export interface CompareAlgorithmsOptions {
  /** Most samples (positions of the tokens, spread evenly) that representations are compared on (256): time grows with its cube. */
  readonly samples?: number;
  /** Most neurons a layer that are matched (512), those that vary most. */
  readonly neurons?: number;
  /** Ends the work between two layers, with E_ABORTED. */
  readonly signal?: AbortSignal;
  /** Called as layers are done. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly secondsLeft: number }) => void;
}

/** A similarity, and what it is for representations that have nothing to do with each other. */
export interface Similarity {
  /** From 0 to 1. */
  readonly value: number;
  /** The same with the samples of one model in another order. */
  readonly null: number;
}

/** One layer of both models. */
export interface LayerComparison {
  /** Which layer. */
  readonly layer: number;
  /** Linear CKA of the residual stream after the layer. */
  readonly cka: Similarity;
  /** Orthogonal Procrustes of the same. */
  readonly procrustes: Similarity;
  /** Heads paired by the overlap of their attention (1 less half the absolute difference, mean over queries that have a choice). */
  readonly heads: Matching;
  /** Neurons paired by the correlation of their activations, as places in `neuronIds`; absent without MLPs. */
  readonly neurons?: Matching;
  /** The neurons of both models that were matched. */
  readonly neuronIds?: readonly [Int32Array, Int32Array];
  /** Mean correlation of pairs when the samples of one model are in another order. */
  readonly neuronsNull?: number;
}

/** Two models on the same tokens, layer by layer. */
export class AlgorithmComparison extends Result {
  /** One entry a layer. */
  readonly layers: readonly LayerComparison[];
  /** Share of the positions at which both have the same most likely class. */
  readonly sameAnswer: number;
  /** Mean KL divergence of the second model's distribution from the first one's, in nats. */
  readonly kl: number;
  /** Samples that representations were compared on. */
  readonly samples: number;

  constructor(layers: readonly LayerComparison[], answers: { readonly sameAnswer: number; readonly kl: number }, samples: number) {
    super();
    [this.layers, this.sameAnswer, this.kl, this.samples] = [layers, answers.sameAnswer, answers.kl, samples];
  }

  override chart(): Chart {
    const { layers } = this;
    const x = { name: "layer", values: layers.map(({ layer }) => layer) };
    const series = (name: string, f: (l: LayerComparison) => number): { name: string; values: number[] } => ({ name, values: layers.map(f) });
    const pairs: Chart[] = [
      {
        kind: "lines",
        title: "Residual stream",
        x,
        unit: "similarity",
        series: [
          series("CKA", (l) => l.cka.value),
          series("CKA, shuffled", (l) => l.cka.null),
          series("Procrustes", (l) => l.procrustes.value),
          series("Procrustes, shuffled", (l) => l.procrustes.null),
        ],
      },
      {
        kind: "lines",
        title: "Heads and neurons",
        x,
        unit: "mean score of pairs",
        series: [
          series("heads, matched", (l) => l.heads.mean),
          series("heads, in place", (l) => l.heads.inPlace),
          ...(layers[0].neurons
            ? [
                series("neurons, matched", (l) => l.neurons?.mean ?? Number.NaN),
                series("neurons, in place", (l) => l.neurons?.inPlace ?? Number.NaN),
                series("neurons, shuffled", (l) => l.neuronsNull ?? Number.NaN),
              ]
            : []),
        ],
      },
    ];
    const answers = `same answer at ${(100 * this.sameAnswer).toFixed(1)} % of positions, KL ${this.kl.toPrecision(3)}`;
    return { kind: "panels", title: `Two models compared: ${answers}`, panels: pairs };
  }
}

/**
 * Compares what two models do with the same tokens, in ways that do not see the basis of the residual stream (CKA, Procrustes) nor the order of heads and neurons (matching):
 * a model and its quantised form, or models of two precisions trained from different seeds.
 *
 * Values mean something beside their nulls only; take some hundred positions of varied tokens. Alike representations are no proof of one algorithm: intervene.
 *
 * @param a - One model; widths, heads and neurons of the other may differ.
 * @throws E_SHAPE when the numbers of layers or classes differ, or only one has MLPs, E_MODE for models of a bare Spec, E_RANGE, E_ABORTED.
 * @example
 * ```ts
 * const report = await compareAlgorithms(dense, ternary, tokens);
 * report.layers[0].cka;             // { value: 0.98, null: 0.11 }
 * report.layers[0].heads.partner;   // head h of dense is head partner[h] of ternary
 * ```
 */
export async function compareAlgorithms(a: Model, b: Model, tokens: Tokens, options: CompareAlgorithmsOptions = {}): Promise<AlgorithmComparison> {
  const { samples = 256, neurons = 512, signal, onProgress } = options;
  requireComparable(a, b);
  for (const [name, value, least] of [
    ["samples", samples, 2],
    ["neurons", neurons, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new TritlensError("E_RANGE", `wrong number of ${name}`, { expected: `an integer of at least ${least}`, found: String(value) });
  const { batch, pos } = toTokenRows(tokens);
  const rows = spaced(batch * pos, samples);
  const { nLayers, attnOnly } = configOf(a);
  const names = ["hook_resid_post", "attn.hook_pattern", ...(attnOnly ? [] : ["mlp.hook_post"])].map((name) => `blocks.*.${name}`);
  const [first, second] = [a.runWithCache(tokens, { names }), b.runWithCache(tokens, { names })];
  const [x, y] = [first.cache, second.cache];
  const layers: LayerComparison[] = [];
  const began = performance.now();
  for (let layer = 0; layer < nLayers; layer++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (signal?.aborted) throw new TritlensError("E_ABORTED", "the comparison was aborted", { cause: signal.reason });
    const at = `blocks.${layer}.`;
    layers.push({
      layer,
      ...compareStreams(a, x, y, rows, at),
      heads: matchHeads(x, y, at),
      ...(attnOnly ? {} : matchNeurons(a, x, y, rows, at, neurons)),
    });
    onProgress?.({ done: layer + 1, total: nLayers, secondsLeft: ((performance.now() - began) / 1000 / (layer + 1)) * (nLayers - layer - 1) });
  }
  return new AlgorithmComparison(layers, compareAnswers(first.logits, second.logits), rows.length);
}

function requireComparable(a: Model, b: Model): void {
  const [x, y] = [configOf(a), configOf(b)];
  for (const key of ["nLayers", "dVocabOut", "attnOnly"] as const)
    if (x[key] !== y[key]) throw new TritlensError("E_SHAPE", `the models differ in ${key}`, { expected: String(x[key]), found: String(y[key]) });
}

/** At most `count` of `n` places, evenly spread. */
function spaced(n: number, count: number): number[] {
  const kept = Math.min(n, count);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * n) / kept));
}

/** Chosen positions of an activation [batch, pos, d] as [sample, d]. */
function samplesOf(x: Tensor, rows: readonly number[]): Tensor {
  const d = x.shape.at(-1) as number;
  const out = new Float32Array(rows.length * d);
  for (const [i, row] of rows.entries()) out.set(x.data.subarray(row * d, (row + 1) * d), i * d);
  return Tensor.from(out, [rows.length, d], ["sample", "d"]);
}

function compareStreams(
  { core }: Model,
  a: ActivationCache,
  b: ActivationCache,
  rows: readonly number[],
  at: string,
): Pick<LayerComparison, "cka" | "procrustes"> {
  const [x, y] = [a, b].map((cache) => samplesOf(cache.get(`${at}hook_resid_post`), rows));
  const mixed = shuffledRows(y);
  return {
    cka: { value: linearCka(x, y, { core }), null: linearCka(x, mixed, { core }) },
    procrustes: { value: procrustesSimilarity(x, y), null: procrustesSimilarity(x, mixed) },
  };
}

function matchHeads(a: ActivationCache, b: ActivationCache, at: string): Matching {
  const [p, q] = [a.get(`${at}attn.hook_pattern`), b.get(`${at}attn.hook_pattern`)];
  const [batch, n, queries, keys] = p.shape;
  const m = q.shape[1];
  // The first query of a causal model has one key to look at.
  const first = queries > 1 ? 1 : 0;
  const scores = new Float32Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) {
      let apart = 0;
      for (let e = 0; e < batch; e++)
        for (let k = first * keys; k < queries * keys; k++)
          apart += Math.abs(p.data[(e * n + i) * queries * keys + k] - q.data[(e * m + j) * queries * keys + k]);
      scores[i * m + j] = 1 - apart / (2 * batch * (queries - first));
    }
  return matchUnits(Tensor.from(scores, [n, m], ["head", "other_head"]));
}

function matchNeurons(
  { core }: Model,
  a: ActivationCache,
  b: ActivationCache,
  rows: readonly number[],
  at: string,
  most: number,
): Pick<LayerComparison, "neurons" | "neuronIds" | "neuronsNull"> {
  const [x, y] = [a, b].map((cache) => liveliest(samplesOf(cache.get(`${at}mlp.hook_post`), rows), most));
  const neurons = matchUnits(unitCorrelations(x.values, y.values, { core }));
  const neuronsNull = matchUnits(unitCorrelations(x.values, shuffledRows(y.values), { core })).mean;
  return { neurons, neuronIds: [x.ids, y.ids], neuronsNull };
}

/** The neurons that vary most, in their own order. */
function liveliest(x: Tensor, most: number): { values: Tensor; ids: Int32Array } {
  const [rows, cols] = x.shape;
  if (cols <= most) return { values: x, ids: Int32Array.from({ length: cols }, (_, j) => j) };
  const [sums, squares] = [new Float64Array(cols), new Float64Array(cols)];
  for (let i = 0; i < x.size; i++) {
    sums[i % cols] += x.data[i];
    squares[i % cols] += x.data[i] ** 2;
  }
  const variance = squares.map((s, j) => s / rows - (sums[j] / rows) ** 2);
  const ids = Int32Array.from(
    Array.from(variance.keys())
      .sort((i, j) => variance[j] - variance[i])
      .slice(0, most),
  ).sort();
  const values = Float32Array.from({ length: rows * most }, (_, i) => x.data[Math.floor(i / most) * cols + ids[i % most]]);
  return { values: Tensor.from(values, [rows, most], x.axes), ids };
}

/** Agreement of the outputs at all positions. */
function compareAnswers(p: Tensor, q: Tensor): { sameAnswer: number; kl: number } {
  const classes = p.shape.at(-1) as number;
  const rows = p.size / classes;
  let [same, kl] = [0, 0];
  for (let i = 0; i < rows; i++) {
    const [x, y] = [logProbabilities(p.data, i * classes, classes), logProbabilities(q.data, i * classes, classes)];
    if (largestAt(x) === largestAt(y)) same++;
    for (let c = 0; c < classes; c++) kl += Math.exp(x[c]) * (x[c] - y[c]);
  }
  return { sameAnswer: same / rows, kl: kl / rows };
}

function largestAt(row: Float64Array): number {
  let best = 0;
  for (let c = 1; c < row.length; c++) if (row[c] > row[best]) best = c;
  return best;
}

function logProbabilities(logits: Float32Array, at: number, n: number): Float64Array {
  const row = Float64Array.from(logits.subarray(at, at + n));
  let top = Number.NEGATIVE_INFINITY;
  for (const x of row) top = Math.max(top, x);
  let sum = 0;
  for (const x of row) sum += Math.exp(x - top);
  const total = top + Math.log(sum);
  return row.map((x) => x - total);
}
