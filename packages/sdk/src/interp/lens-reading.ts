/** What a lens shows: at every layer and position, what the model would say if it were read out there. */
import { type Model, requireLength, Tensor, TritlensError } from "tritlens";
import { type LensStatistics, lensStatistics, Readout, type WorkOptions } from "tritlens/interp";
import { type HeatmapChart, type LineChart, Result } from "tritlens/plots";

/** Options of everything that reads layers out. */
export interface LensOptions extends WorkOptions {
  /** How many of the most likely tokens to keep (5). */
  readonly topK?: number;
  /** Classes to follow through the layers, the same at every position; the one that the last layer finds most likely when left out. */
  readonly track?: number | readonly number[];
  /** Most bytes of logits at a time (64 MiB): a large vocabulary is read out in pieces. */
  readonly chunkBytes?: number;
}

/** The residual stream of some layers. */
export interface ResidualStream {
  /** [layer, batch, pos, d_model], ending with the last block's output. */
  readonly stack: Tensor;
  /** TransformerLens's names of the layers: `0_pre`, `0_mid`, ..., `final_post`. */
  readonly labels: readonly string[];
  /** The tokens of the run, [batch, pos]. */
  readonly tokens: Tensor<Int32Array>;
}

/** Layers as a model's own read-out shows them. */
export class LensReading extends Result {
  /** Which lens it was, for headings. */
  readonly name: string;
  /** Names of the layers, as in TransformerLens: `0_pre`, ..., `final_post`. */
  readonly labels: readonly string[];
  /** Text of each token, [batch][pos]. */
  readonly tokens: readonly (readonly string[])[];
  /** Most likely classes, [layer, batch, pos, rank]. */
  readonly top: Tensor<Int32Array>;
  /** Their log probabilities in nats, [layer, batch, pos, rank]. */
  readonly topLogProbs: Tensor;
  /** Entropy in nats, [layer, batch, pos]. */
  readonly entropy: Tensor;
  /** KL divergence from what the model says in the end, KL(final || layer) in nats, [layer, batch, pos]. */
  readonly kl: Tensor;
  /** Classes that are followed, [batch, pos, tracked]. */
  readonly tracked: Tensor<Int32Array>;
  /** How many classes are more likely than the followed ones (0: it is the first), [layer, batch, pos, tracked]. */
  readonly ranks: Tensor<Int32Array>;
  /** Log probabilities of the followed classes in nats, [layer, batch, pos, tracked]. */
  readonly trackedLogProbs: Tensor;
  readonly #text: (id: number) => string;

  constructor(name: string, stream: ResidualStream, found: LensStatistics, tracked: Int32Array, text: (id: number) => string) {
    super();
    const [layers, batch, pos] = stream.stack.shape as unknown as [number, number, number];
    const places = layers * batch * pos;
    const shape = [layers, batch, pos];
    const axes = ["layer", "batch", "pos"];
    const deep = <D extends Int32Array | Float32Array>(data: D, axis: string): Tensor<D> =>
      Tensor.from(data, [...shape, data.length / places], [...axes, axis]);
    const ids = stream.tokens.data;
    this.name = name;
    this.labels = stream.labels;
    this.tokens = Array.from({ length: batch }, (_, b) => Array.from(ids.subarray(b * pos, (b + 1) * pos), text));
    this.top = deep(found.top, "rank");
    this.topLogProbs = deep(found.topLogProbs, "rank");
    this.entropy = Tensor.from(found.entropy, shape, axes);
    this.kl = Tensor.from(found.kl, shape, axes);
    const each = tracked.length / places;
    this.tracked = Tensor.from(tracked.slice(0, batch * pos * each), [batch, pos, each], ["batch", "pos", "tracked"]);
    this.ranks = deep(found.ranks, "tracked");
    this.trackedLogProbs = deep(found.trackedLogProbs, "tracked");
    this.#text = text;
  }

  /** The grid of the first example. */
  override chart(): HeatmapChart {
    return this.grid();
  }

  /** Layers by positions: the most likely token of each, coloured by its probability. @throws E_RANGE for an example that does not exist. */
  grid(example = 0): HeatmapChart {
    const top = this.top.slice("batch", example).slice("rank", 0).data;
    const labels = this.tokens.at(example) ?? [];
    return {
      kind: "heatmap",
      title: `${this.name}: most likely token by layer`,
      caption: "Each cell is what the model would say next if it were read out at that layer.",
      values: this.topLogProbs.slice("batch", example).slice("rank", 0).data.map(Math.exp),
      x: { name: "position", labels },
      y: { name: "layer", labels: this.labels },
      text: Array.from(top, this.#text),
      scale: "sequential",
      range: [0, 1],
      unit: "probability",
    };
  }

  /** The places of the followed classes through the layers at one position; place 1 is the most likely class. @throws E_RANGE. */
  trajectory({ example = 0, pos = -1 }: { readonly example?: number; readonly pos?: number } = {}): LineChart {
    const ranks = this.ranks.slice("batch", example).slice("pos", pos);
    const classes = this.tracked.slice("batch", example).slice("pos", pos).data;
    return {
      kind: "lines",
      title: `${this.name}: place of a token by layer`,
      caption: "Place 1 is the most likely token.",
      x: { name: "layer", values: this.labels.map((_, i) => i) },
      series: Array.from(classes, (c, i) => ({ name: this.#text(c), values: ranks.slice("tracked", i).data.map((r) => r + 1) })),
      unit: "place",
      log: true,
    };
  }
}

/**
 * Reads a residual stream out at every layer: final norm, unembedding and softmax, without ever having more than `chunkBytes` of logits.
 *
 * @param stream - Of {@link residualStream}, or changed: the tuned lens translates it first.
 * @param name - Which lens it is.
 * @returns Numbers with the axes layer, batch and pos.
 * @throws E_RANGE for `topK`, `chunkBytes` or a class out of range, E_NONFINITE when logits are no numbers, E_MODE for a model without a configuration, E_ABORTED.
 */
export async function readLens(model: Model, stream: ResidualStream, options: LensOptions = {}, name = "lens"): Promise<LensReading> {
  const { topK = 5, chunkBytes = 2 ** 26 } = options;
  for (const [what, value] of Object.entries({ topK, chunkBytes }))
    if (!Number.isInteger(value) || value < 1)
      throw new TritlensError("E_RANGE", `wrong ${what}`, { expected: "an integer of at least 1", found: String(value) });
  const readout = new Readout(model);
  const { data: rows, shape } = stream.stack;
  const n = rows.length / readout.width;
  const places = n / (shape[0] as number);
  requireLength("the residual stream", n * readout.width, rows.length);
  const references = Int32Array.from({ length: n }, (_, i) => n - places + (i % places));
  const last = { rows: rows.subarray((n - places) * readout.width), references: Int32Array.from({ length: places }, (_, i) => i) };
  const common = { chunkBytes, ...(options.signal ? { signal: options.signal } : {}) };
  const wanted = options.track === undefined ? undefined : [options.track].flat().map((c) => readout.requireClass(c));
  if (wanted?.length === 0) throw new TritlensError("E_SHAPE", "no class to follow", { expected: "at least one", found: "none" });
  const ends = wanted ? undefined : (await lensStatistics(readout, { ...last, ...common, tracked: new Int32Array(places), topK: 1 })).top;
  const each = wanted?.length ?? 1;
  const tracked = Int32Array.from({ length: n * each }, (_, i) => wanted?.[i % each] ?? Math.max(0, (ends as Int32Array)[i % places] as number));
  const found = await lensStatistics(readout, { ...options, ...common, rows, references, tracked, topK });
  if (!found.entropy.every(Number.isFinite) || !found.kl.every(Number.isFinite))
    throw new TritlensError("E_NONFINITE", "the logits of a layer are not finite", { expected: "finite numbers", found: "NaN or infinity" });
  const { tokenizer } = model;
  return new LensReading(name, stream, found, tracked, (id) => tokenizer?.tokenText(id) ?? String(id));
}
