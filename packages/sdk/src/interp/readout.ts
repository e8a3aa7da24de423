/** How a model reads its residual stream out: the final norm and the unembedding, as numbers that lenses and attributions work with. */
import { type Model, requireLength, type TransformerConfig, TritlensError } from "tritlens";

/** What the final norm leaves of a direction in its output: see {@link Readout.direction}. */
export interface ReadoutDirection {
  /** The direction, [d_model], to be multiplied with the residual stream divided by `hook_scale` of `ln_final`. */
  readonly vector: Float32Array;
  /** What is added whatever the residual stream is: the norm's bias and that of the logits. */
  readonly constant: number;
}

/**
 * The final norm and the unembedding of a model, read once. Rows of the unembedding are kept as [class, d_model] in f32, so that a part of the vocabulary is a piece of
 * memory: 4 bytes a number, 154 MB for GPT-2. The unembedding of quantised models is read as what the forward pass multiplies with.
 *
 * @throws E_MODE for a model without a configuration, whose parts cannot be told; E_CLOSED after dispose.
 */
export class Readout {
  /** Number of classes. */
  readonly classes: number;
  /** d_model. */
  readonly width: number;
  /** Unembedding, [class, d_model]. */
  readonly rows: Float32Array;
  /** Bias of the logits, [class], where there is one. */
  readonly bias: Float32Array | undefined;
  /** Gain of the final norm, where it has one. */
  readonly gain: Float32Array | undefined;
  /** Bias of the final norm, where it has one. */
  readonly shift: Float32Array | undefined;
  readonly #model: Model;
  readonly #norm: Pick<TransformerConfig, "finalNorm" | "finalNormEps" | "finalNormFloor">;

  constructor(model: Model) {
    const { config } = model;
    if (config === undefined)
      throw new TritlensError("E_MODE", "the read-out of a model without a configuration is not known", {
        expected: "a model made with fromConfig or fromPretrained, or fromSpec with its config",
        found: "a bare Spec",
      });
    const vector = (name: string, has: boolean): Float32Array | undefined => (has ? model.readParam(name).data : undefined);
    this.#model = model;
    this.#norm = config;
    this.classes = config.dVocabOut;
    this.width = config.dModel;
    this.rows = model.readParam("unembed.W_U", { effective: true }).data;
    this.bias = vector("unembed.b_U", config.unembedBias);
    this.gain = vector("ln_final.w", config.finalNorm === "LN" || config.finalNorm === "RMS");
    this.shift = vector("ln_final.b", config.finalNorm === "LN");
  }

  /** Whether the final norm takes the mean away. */
  get centres(): boolean {
    return this.#norm.finalNorm === "LN" || this.#norm.finalNorm === "LNPre";
  }

  /** The norm's divisor of each row of x [row, d_model], as at `ln_final.hook_scale`; 1 without a norm. */
  scales(x: Float32Array): Float64Array {
    const { finalNorm, finalNormEps, finalNormFloor } = this.#norm;
    const d = this.width;
    return Float64Array.from({ length: x.length / d }, (_, r) => {
      if (finalNorm === "none") return 1;
      const row = x.subarray(r * d, (r + 1) * d);
      const mean = this.centres ? meanOf(row) : 0;
      let sum = 0;
      for (const value of row) sum += (value - mean) ** 2;
      return Math.max(Math.sqrt(sum / d + finalNormEps), finalNormFloor);
    });
  }

  /** The final norm of x [row, d_model], gain and bias included: what the unembedding multiplies. */
  normalize(x: Float32Array): Float32Array {
    requireLength("rows of the residual stream", Math.ceil(x.length / this.width) * this.width, x.length);
    if (this.#norm.finalNorm === "none") return x;
    const [d, scales, out] = [this.width, this.scales(x), new Float32Array(x.length)];
    for (const [r, scale] of scales.entries()) {
      const mean = this.centres ? meanOf(x.subarray(r * d, (r + 1) * d)) : 0;
      for (let j = 0; j < d; j++) out[r * d + j] = (((x[r * d + j] as number) - mean) / scale) * (this.gain?.[j] ?? 1) + (this.shift?.[j] ?? 0);
    }
    return out;
  }

  /** Gradient with respect to x [row, d_model], given that with respect to `normalize(x)`. */
  normalizeBack(x: Float32Array, grad: Float32Array): Float32Array {
    if (this.#norm.finalNorm === "none") return grad;
    const [d, scales, out] = [this.width, this.scales(x), new Float32Array(x.length)];
    for (const [r, scale] of scales.entries()) {
      const row = x.subarray(r * d, (r + 1) * d);
      const mean = this.centres ? meanOf(row) : 0;
      const g = Float64Array.from({ length: d }, (_, j) => (grad[r * d + j] as number) * (this.gain?.[j] ?? 1));
      const along = scale <= this.#norm.finalNormFloor ? 0 : row.reduce((sum, value, j) => sum + (value - mean) * (g[j] as number), 0);
      const back = g.map((gj, j) => (gj - ((row[j] as number) - mean) * (along / (d * scale * scale))) / scale);
      const centre = this.centres ? meanOf(back) : 0;
      for (let j = 0; j < d; j++) out[r * d + j] = (back[j] as number) - centre;
    }
    return out;
  }

  /**
   * Logits of classes `from` to `to - 1`, [class, row], bias included.
   *
   * @param normed - Columns of the normalised residual stream, [d_model, row].
   */
  logits(normed: Float32Array, from: number, to: number): Float32Array {
    const n = normed.length / this.width;
    return this.#products(this.rows.subarray(from * this.width, to * this.width), normed, this.bias?.subarray(from, to), n);
  }

  /** Logits of some classes, [class, row], bias included. @throws E_RANGE. */
  logitsOf(normed: Float32Array, classes: ArrayLike<number>): Float32Array {
    const list = Array.from(classes, (c) => this.requireClass(c));
    const rows = new Float32Array(list.length * this.width);
    for (const [i, c] of list.entries()) rows.set(this.rows.subarray(c * this.width, (c + 1) * this.width), i * this.width);
    const bias = this.bias && Float32Array.from(list, (c) => this.bias?.[c] as number);
    return this.#products(rows, normed, bias, normed.length / this.width);
  }

  /** A class of the model. @throws E_RANGE. */
  requireClass(c: number): number {
    if (Number.isInteger(c) && c >= 0 && c < this.classes) return c;
    throw new TritlensError("E_RANGE", "no such class", { expected: `an integer in [0, ${this.classes})`, found: String(c) });
  }

  /**
   * The logit of a class, or its difference to that of another one, as a function of the residual stream x of one position:
   * `x . vector / scale + constant`, where `scale` is what the final norm divides by. Gain, centring and bias of the norm are in it.
   */
  direction(answer: number, foil?: number): ReadoutDirection {
    const d = this.width;
    const at = (c: number): Float32Array => this.rows.subarray(this.requireClass(c) * d, (c + 1) * d);
    const vector = Float32Array.from(at(answer));
    if (foil !== undefined) for (const [j, value] of at(foil).entries()) vector[j] = (vector[j] as number) - value;
    let constant = (this.bias?.[answer] ?? 0) - (foil === undefined ? 0 : (this.bias?.[foil] ?? 0));
    for (let j = 0; j < d; j++) {
      constant += (this.shift?.[j] ?? 0) * (vector[j] as number);
      vector[j] = (vector[j] as number) * (this.gain?.[j] ?? 1);
    }
    if (this.centres) {
      const mean = meanOf(vector);
      for (let j = 0; j < d; j++) vector[j] = (vector[j] as number) - mean;
    }
    return { vector, constant };
  }

  #products(rows: Float32Array, normed: Float32Array, bias: Float32Array | undefined, n: number): Float32Array {
    const count = rows.length / this.width;
    const out = new Float32Array(count * n);
    this.#model.core.matmul(rows, normed, count, this.width, n, out);
    if (bias) for (let c = 0; c < count; c++) for (let i = 0; i < n; i++) out[c * n + i] = (out[c * n + i] as number) + (bias[c] as number);
    return out;
  }
}

function meanOf(row: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of row) sum += value;
  return sum / row.length;
}
