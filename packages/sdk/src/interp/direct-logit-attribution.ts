/** Direct logit attribution (Elhage et al. 2021): how much of a logit each part writes into the residual stream itself. */
import { type ActivationCache, type Model, Tensor, type TokenRows, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { type HalfBlock, matrixInput, matrixInputSite, outputMatrix, Readout, requireChoice } from "tritlens/interp";
import { type BarChart, Result } from "tritlens/plots";

/** Options of {@link directLogitAttribution}. */
export interface DirectLogitOptions {
  /** The class whose logit is explained: one, or one an example. */
  readonly answers: number | readonly number[];
  /** Explain the difference to the logits of these classes instead. */
  readonly foils?: number | readonly number[];
  /** The parts: attention and MLP of each block (`layer`, the default), heads, or neurons. */
  readonly by?: "layer" | "head" | "neuron";
  /** Position that is explained; the last one (-1) when left out. Negative counts from the end. */
  readonly pos?: number | "all";
  /**
   * Where the final norm's gain, centring and bias are counted: with what is normalised (`live`, the default), or folded into the unembedding. The shares are the same; what
   * differs is {@link DirectLogits.direction}. Folding is refused where the unembedding is ternary or binary, because the folded matrix would not be one.
   */
  readonly norm?: "live" | "folded";
}

/** A part of the model with its share of a logit. */
export interface LogitShare {
  /** TransformerLens's name of the part: `0_attn_out`, `L0H1`, `bias`, ... */
  readonly label: string;
  /** Its share, in units of the logit; the mean over examples and positions. */
  readonly value: number;
}

/** Shares of a logit, or of a difference of logits. */
export class DirectLogits extends Result {
  /** TransformerLens's names of the parts: `embed`, `0_attn_out`, `L0H1`, `L0N7`, `bias`, ... */
  readonly labels: readonly string[];
  /** Share of each part, [component, batch], or [component, batch, pos] with `pos: "all"`. Together they are `total`. */
  readonly values: Tensor;
  /** The logit or the difference, as the final residual stream gives it, [batch] or [batch, pos]. */
  readonly total: Tensor;
  /**
   * The direction that stands for the answer in each example, [batch, d_model]: of the normalised stream with `norm: "live"` (a column of W_U, or a difference of two), of
   * the stream divided by its scale with `folded`.
   */
  readonly direction: Tensor;
  /** What the shares add up to. */
  readonly unit: "logit" | "logit difference";

  constructor(labels: readonly string[], values: Tensor, total: Tensor, direction: Tensor, unit: "logit" | "logit difference" = "logit") {
    super();
    this.labels = labels;
    this.values = values;
    this.total = total;
    this.direction = direction;
    this.unit = unit;
  }

  /** The parts with the largest shares (mean over examples and positions), largest first. */
  top(count = 10): LogitShare[] {
    return this.#means()
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
      .slice(0, count);
  }

  /** Mean shares, in the model's order; of more than 48 parts the largest. */
  override chart(): BarChart {
    const all = this.#means();
    const kept = new Set(this.top(48).map(({ label }) => label));
    const shown = all.filter(({ label }) => kept.has(label));
    return {
      kind: "bars",
      title: "Direct logit attribution",
      caption: all.length > shown.length ? `The ${shown.length} largest of ${all.length} parts.` : `All parts together are the ${this.unit}.`,
      x: { name: "component", labels: shown.map(({ label }) => label) },
      series: [{ name: "share", values: shown.map(({ value }) => value) }],
      unit: this.unit,
    };
  }

  #means(): LogitShare[] {
    const each = this.values.size / this.labels.length;
    const { data } = this.values;
    return this.labels.map((label, c) => ({ label, value: data.subarray(c * each, (c + 1) * each).reduce((sum, x) => sum + x, 0) / each }));
  }
}

/**
 * Shares of a logit (or of a difference) by the part that wrote them: what each part adds to the residual stream, through the final norm with the scale it has in this run,
 * times the answer's direction. Effects that go through later parts are not in it; patching measures those. Direct logit attribution (Elhage et al. 2021).
 *
 * @throws E_SHAPE when there is neither one answer nor one an example; E_RANGE for classes and positions; E_MODE for a model without a configuration, for neurons of a model
 * without MLPs, and for `norm: "folded"` on a ternary or binary unembedding; and what `runWithCache` throws.
 * @example
 * ```ts
 * const heads = directLogitAttribution(model, tokens, { answers: 5, foils: 7, by: "head" });
 * console.log(heads.top(3));    // [{ label: "L1H4", value: 2.1 }, ...]
 * ```
 */
export function directLogitAttribution(model: Model, tokens: Tokens, options: DirectLogitOptions): DirectLogits {
  const { by = "layer", norm = "live" } = options;
  requireChoice("part of a logit", by, ["layer", "head", "neuron"]);
  requireChoice("place of the norm", norm, ["live", "folded"]);
  const readout = new Readout(model);
  if (norm === "folded") refuseLowBit(model);
  const rows = toTokenRows(tokens);
  const positions = placesOf(options.pos ?? -1, rows.pos);
  const directions = directionsOf(readout, options, rows.batch);
  const { cache } = model.runWithCache(tokens, { names: sitesOf(model, by) });
  const shares = new Shares(model, cache, rows, positions, directions);
  shares.write("embed", cache.get("hook_embed").data);
  if (model.config?.positions === "standard") shares.write("pos_embed", cache.get("hook_pos_embed").data);
  for (let l = 0; l < model.layers; l++) {
    if (by === "head") shares.writeParts(l, "attn");
    else shares.write(`${l}_attn_out`, cache.get(`blocks.${l}.hook_attn_out`).data);
    if (model.config?.attnOnly) continue;
    if (by === "neuron") shares.writeParts(l, "mlp");
    else shares.write(`${l}_mlp_out`, cache.get(`blocks.${l}.hook_mlp_out`).data);
  }
  const shown = norm === "live" ? rawDirections(readout, options, rows.batch) : directions.map(({ vector }) => vector);
  return shares.finish(shown, options.pos === "all", options.foils === undefined ? "logit" : "logit difference");
}

function sitesOf(model: Model, by: "layer" | "head" | "neuron"): string[] {
  const last = `blocks.${model.layers - 1}.hook_resid_post`;
  const { siteNames, config } = model;
  const fixed = ["hook_embed", "hook_pos_embed", "ln_final.hook_scale", last].filter((name) => siteNames.includes(name));
  return Array.from({ length: model.layers }, (_, l) => [
    by === "head" ? matrixInputSite(model, l, "attn") : `blocks.${l}.hook_attn_out`,
    ...(by === "neuron" ? [matrixInputSite(model, l, "mlp")] : config?.attnOnly ? [] : [`blocks.${l}.hook_mlp_out`]),
  ])
    .flat()
    .concat(fixed);
}

function placesOf(pos: number | "all", count: number): number[] {
  if (pos === "all") return Array.from({ length: count }, (_, i) => i);
  const k = pos < 0 ? pos + count : pos;
  if (Number.isInteger(k) && k >= 0 && k < count) return [k];
  throw new TritlensError("E_RANGE", "no such position", { expected: `an integer in [${-count}, ${count}), or "all"`, found: String(pos) });
}

function listOf(what: string, x: number | readonly number[], batch: number): readonly number[] {
  const list = [x].flat();
  if (list.length === 1 || list.length === batch) return Array.from({ length: batch }, (_, b) => (list[b] ?? list[0]) as number);
  throw new TritlensError("E_SHAPE", `${what} do not fit the batch`, { expected: `1 or ${batch} classes`, found: String(list.length) });
}

function directionsOf(readout: Readout, { answers, foils }: DirectLogitOptions, batch: number): { vector: Float32Array; constant: number }[] {
  const right = listOf("answers", answers, batch);
  const wrong = foils === undefined ? undefined : listOf("foils", foils, batch);
  return right.map((answer, b) => readout.direction(answer, wrong?.[b]));
}

/** Columns of the unembedding, without the norm. */
function rawDirections(readout: Readout, { answers, foils }: DirectLogitOptions, batch: number): Float32Array[] {
  const d = readout.width;
  const wrong = foils === undefined ? undefined : listOf("foils", foils, batch);
  return listOf("answers", answers, batch).map((answer, b) => {
    const foil = wrong?.[b];
    const row = readout.rows.slice(answer * d, (answer + 1) * d);
    return foil === undefined ? row : row.map((x, j) => x - (readout.rows[foil * d + j] as number));
  });
}

/** @throws E_MODE when the unembedding has codes. */
function refuseLowBit(model: Model): void {
  try {
    model.scales("unembed.W_U");
  } catch (error) {
    if (error instanceof TritlensError && error.code === "E_NAME") return;
    throw error;
  }
  throw new TritlensError("E_MODE", "a norm cannot be folded into codes: the folded matrix would be neither ternary nor binary", {
    expected: 'norm: "live"',
    found: 'norm: "folded"',
  });
}

/** Shares, as they are written. */
class Shares {
  readonly #model: Model;
  readonly #cache: ActivationCache;
  readonly #rows: TokenRows;
  readonly #positions: readonly number[];
  readonly #directions: readonly { vector: Float32Array; constant: number }[];
  readonly #labels: string[] = [];
  readonly #values: Float64Array[] = [];
  readonly #bias: Float64Array;

  constructor(
    model: Model,
    cache: ActivationCache,
    rows: TokenRows,
    positions: readonly number[],
    directions: readonly { vector: Float32Array; constant: number }[],
  ) {
    this.#model = model;
    this.#cache = cache;
    this.#rows = rows;
    this.#positions = positions;
    this.#directions = directions;
    this.#bias = this.#each((b) => (directions[b] as { constant: number }).constant);
  }

  /** One part: what it adds to the stream, [batch, pos, d_model]. */
  write(label: string, added: Float32Array): void {
    this.#put(label, added, 0, this.#vectors(), 1);
  }

  /** Heads or neurons of a block, each through its rows of the output matrix. What the matrix' bias adds counts as bias. */
  writeParts(layer: number, half: HalfBlock): void {
    const model = this.#model;
    const x = matrixInput(model, this.#cache, layer, half);
    const [matrix, vectors] = [outputMatrix(model, layer, half), this.#vectors()];
    const [d, batch] = [vectors.length / this.#rows.batch, this.#rows.batch];
    const width = matrix.length / d;
    const through = new Float32Array(batch * width);
    model.core.matmul(vectors, matrix, batch, d, width, through);
    const count = half === "attn" ? (model.config?.nHeads as number) : width;
    for (let part = 0; part < count; part++) this.#put(`L${layer}${half === "attn" ? "H" : "N"}${part}`, x, part, through, count);
    const bias = `blocks.${layer}.${half === "attn" ? "attn.b_O" : "mlp.b_out"}`;
    if (!model.paramNames.includes(bias)) return;
    const { data } = model.readParam(bias);
    const added = this.#each((b, _, scale) => dot(data, 0, vectors, b * d, d) / scale);
    for (const [i, value] of added.entries()) this.#bias[i] = (this.#bias[i] as number) + value;
  }

  finish(directions: readonly Float32Array[], byPosition: boolean, unit: DirectLogits["unit"]): DirectLogits {
    const last = this.#cache.get(`blocks.${this.#model.layers - 1}.hook_resid_post`).data;
    const [batch, pos, vectors] = [this.#rows.batch, this.#positions.length, this.#vectors()];
    const d = vectors.length / batch;
    const total = this.#each(
      (b, t, scale) => dot(last, (b * this.#rows.pos + t) * d, vectors, b * d, d) / scale + (this.#directions[b] as { constant: number }).constant,
    );
    const labels = [...this.#labels, "bias"];
    const values = Float32Array.from([...this.#values, this.#bias].flatMap((v) => [...v]));
    const [shape, axes] = !byPosition
      ? [[batch], ["batch"]]
      : [
          [batch, pos],
          ["batch", "pos"],
        ];
    return new DirectLogits(
      labels,
      Tensor.from(values, [labels.length, ...shape], ["component", ...axes]),
      Tensor.from(Float32Array.from(total), shape, axes),
      Tensor.from(Float32Array.from(directions.flatMap((v) => [...v])), [batch, d], ["batch", "d_model"]),
      unit,
    );
  }

  /** The `part`-th of `count` equal parts of x [batch, pos, width], times the same part of each example's vector. */
  #put(label: string, x: Float32Array, part: number, vectors: Float32Array, count: number): void {
    const width = vectors.length / this.#rows.batch;
    const size = width / count;
    this.#labels.push(label);
    this.#values.push(
      this.#each((b, t, scale) => dot(x, (b * this.#rows.pos + t) * width + part * size, vectors, b * width + part * size, size) / scale),
    );
  }

  /** [batch, d_model]. */
  #vectors(): Float32Array {
    const d = this.#directions[0]?.vector.length as number;
    const out = new Float32Array(this.#directions.length * d);
    for (const [b, { vector }] of this.#directions.entries()) out.set(vector, b * d);
    return out;
  }

  /** f of every example and position, and of what the final norm divides by there. */
  #each(f: (b: number, t: number, scale: number) => number): Float64Array {
    const scales = this.#cache.has("ln_final.hook_scale") ? this.#cache.get("ln_final.hook_scale").data : undefined;
    const { batch, pos } = this.#rows;
    const count = this.#positions.length;
    return Float64Array.from({ length: batch * count }, (_, i) => {
      const [b, t] = [Math.floor(i / count), this.#positions[i % count] as number];
      return f(b, t, scales?.[b * pos + t] ?? 1);
    });
  }
}

function dot(a: Float32Array, from: number, b: Float32Array, start: number, length: number): number {
  let sum = 0;
  for (let j = 0; j < length; j++) sum += (a[from + j] as number) * (b[start + j] as number);
  return sum;
}
