/**
 * Li 2024's architecture in plain f64 TypeScript, written from the formulas and apart from the SDK: an oracle for the analyses (f64 as the reference numbers are),
 * with the gradient by hand. One layer, no positions, no mask, scores over sqrt(d), RMSNorm before the unembedding, quantised W_Q, W_K, W_V, W_O, W_in, W_out.
 */
import type { Floats, ModAddActivations, ModAddProbe, ModAddReplacements, ModAddWeights, NamedArray } from "tritlens/interp";

const HEADS = 4;
const QUANTISED = ["W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"];

/** Quantised and dequantised weights of a mode. */
export function quantise(mode: string, w: Floats): Float64Array {
  const x = Float64Array.from(w);
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const centred = x.map((value) => value - mean);
  const magnitude = (v: Float64Array): number => Math.max(v.reduce((sum, value) => sum + Math.abs(value), 0) / v.length, 1e-5);
  if (mode === "fp32") return x;
  if (mode === "li_binary") return centred.map(Math.sign);
  if (mode === "binary")
    return scaled(
      centred.map((value) => (value > 0 ? 1 : -1)),
      magnitude(x),
    );
  if (mode === "li_ternary") return ternary(centred, magnitude(centred));
  if (mode === "ternary") return ternary(x, magnitude(x));
  throw new Error(`unknown mode ${mode}`);
}

const scaled = (v: Float64Array, scale: number): Float64Array => v.map((value) => scale * value);
const ternary = (v: Float64Array, scale: number): Float64Array => v.map((value) => scale * Math.max(-1, Math.min(1, roundHalfEven(value / scale))));

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** y = W x, W [out, in] stored row after row. */
function apply(w: Float64Array, x: Float64Array, out: number): Float64Array {
  const n = x.length;
  const y = new Float64Array(out);
  for (let i = 0; i < out; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += w[i * n + j] * x[j];
    y[i] = sum;
  }
  return y;
}

/** x = W^T y. */
function applyTransposed(w: Float64Array, y: Float64Array, columns: number): Float64Array {
  const x = new Float64Array(columns);
  for (let i = 0; i < y.length; i++) for (let j = 0; j < columns; j++) x[j] += w[i * columns + j] * y[i];
  return x;
}

const plus = (x: Float64Array, y: Float64Array): Float64Array => x.map((value, i) => value + y[i]);
const inner = (x: Float64Array, y: Float64Array): number => x.reduce((sum, value, i) => sum + value * y[i], 0);

/** Everything one row of the forward pass makes. */
interface Row {
  k: Float64Array[];
  v: Float64Array[];
  pattern: Float64Array;
  attnOut: Float64Array;
  neurons: Float64Array;
  mlpOut: Float64Array;
  residPost: Float64Array;
  logits: Float64Array;
}

/** A checkpoint in Li's layout, runnable. */
export class LiModel implements ModAddProbe {
  readonly weights: ModAddWeights;
  readonly d: number;
  readonly dMlp: number;
  private readonly query: Float64Array;
  private readonly equals: Float64Array;
  readonly p: number;
  readonly mode: string;
  readonly train: readonly number[];

  constructor(mode: string, p: number, tensors: ReadonlyMap<string, NamedArray>, train: readonly number[]) {
    this.p = p;
    this.mode = mode;
    this.train = train;
    this.weights = Object.fromEntries(
      [...tensors].map(([name, { data, shape }]) => {
        const quant = QUANTISED.includes(name) && mode !== "fp32" ? mode : "none";
        // f64 throughout: loops over one kind of array run several times faster than over two.
        return [name, { quant, latent: Float64Array.from(data), effective: quantise(quant === "none" ? "fp32" : mode, data), shape }];
      }),
    );
    this.d = tensors.get("W_E")?.shape[1] as number;
    this.dMlp = tensors.get("W_in")?.shape[0] as number;
    this.equals = this.embedding(p);
    this.query = apply(this.weight("W_Q"), this.equals, this.d);
  }

  private weight(name: string): Float64Array {
    return this.weights[name].effective as Float64Array;
  }

  private embedding(token: number): Float64Array {
    return Float64Array.from(this.weight("W_E").subarray(token * this.d, (token + 1) * this.d));
  }

  /** One input; `pair` picks the rows of replacements. */
  private row(a: Float64Array, b: Float64Array, equals: Float64Array, pair: number, r: ModAddReplacements): Row {
    const { d, dMlp } = this;
    const inputs = [a, b, equals];
    const k = inputs.map((x) => apply(this.weight("W_K"), x, d));
    const v = inputs.map((x) => apply(this.weight("W_V"), x, d));
    const pattern = r.pattern ? slice(r.pattern, pair, HEADS * 3) : this.pattern(k);
    const attnOut = apply(this.weight("W_O"), this.mix(pattern, v), d);
    const mid = r.residMid ? slice(r.residMid, pair, d) : plus(this.equals, attnOut);
    const neurons = r.neurons ? slice(r.neurons, pair, dMlp) : apply(this.weight("W_in"), mid, dMlp).map((x) => Math.max(x, 0));
    const mlpOut = apply(this.weight("W_out"), neurons, d);
    const residPost = r.residPost ? slice(r.residPost, pair, d) : plus(mid, mlpOut);
    const unit = Math.sqrt(d) / Math.sqrt(inner(residPost, residPost));
    const normed = residPost.map((x, i) => x * unit * this.weight("gain")[i]);
    return { k, v, pattern, attnOut, neurons, mlpOut, residPost, logits: apply(this.weight("W_U"), normed, this.p) };
  }

  private pattern(k: Float64Array[]): Float64Array {
    const out = new Float64Array(HEADS * 3);
    const dHead = this.d / HEADS;
    for (let head = 0; head < HEADS; head++) {
      const part = (x: Float64Array): Float64Array => x.subarray(head * dHead, (head + 1) * dHead);
      const scores = k.map((key) => inner(part(key), part(this.query)) / Math.sqrt(this.d));
      const top = Math.max(...scores);
      const exps = scores.map((score) => Math.exp(score - top));
      const total = exps.reduce((sum, value) => sum + value, 0);
      out.set(
        exps.map((value) => value / total),
        head * 3,
      );
    }
    return out;
  }

  private mix(pattern: Floats, v: Float64Array[]): Float64Array {
    const dHead = this.d / HEADS;
    return Float64Array.from({ length: this.d }, (_, i) =>
      v.reduce((sum, value, key) => sum + pattern[Math.floor(i / dHead) * 3 + key] * value[i], 0),
    );
  }

  /** Activations on all p * p inputs. */
  activations(): ModAddActivations {
    const { p, d, dMlp } = this;
    const pairs = p * p;
    const all = {
      logits: new Float64Array(pairs * p),
      neurons: new Float64Array(pairs * dMlp),
      pattern: new Float64Array(pairs * HEADS * 3),
      attnOut: new Float64Array(pairs * d),
      mlpOut: new Float64Array(pairs * d),
    };
    for (let pair = 0; pair < pairs; pair++) {
      const row = this.row(this.embedding(Math.floor(pair / p)), this.embedding(pair % p), this.equals, pair, {});
      for (const name of Object.keys(all) as (keyof typeof all)[]) all[name].set(row[name], pair * row[name].length);
    }
    return {
      p,
      mode: this.mode,
      ...all,
      residPre: this.equals,
      weights: this.weights,
      dModel: d,
      dMlp,
      heads: HEADS,
      seq: 3,
      scoreScale: Math.sqrt(d),
      trainIndices: this.train,
    };
  }

  logits(replacements: ModAddReplacements): Promise<Floats> {
    const { p, d } = this;
    const out = new Float64Array(p * p * p);
    for (let pair = 0; pair < p * p; pair++) {
      const embed = replacements.embed;
      const at = (key: number, token: number): Float64Array => (embed ? slice(embed, pair * 3 + key, d) : this.embedding(token));
      out.set(this.row(at(0, Math.floor(pair / p)), at(1, pair % p), at(2, p), pair, replacements).logits, pair * p);
    }
    return Promise.resolve(out);
  }

  embeddingGradients(triples: readonly (readonly [number, number, number])[]): Promise<Floats> {
    const out = new Float64Array(triples.length * 2 * this.d);
    triples.forEach(([a, b, c], i) => void out.set(this.gradient(a, b, c), i * 2 * this.d));
    return Promise.resolve(out);
  }

  /** Gradient of logit c with respect to the embeddings of a and b, [2, d]. */
  gradient(a: number, b: number, c: number): Float64Array {
    const row = this.row(this.embedding(a), this.embedding(b), this.equals, 0, {});
    const z = applyTransposed(this.weight("W_O"), this.gradientOfMid(row, c), this.d);
    const out = new Float64Array(2 * this.d);
    for (const key of [0, 1]) out.set(this.gradientOfInput(row, z, key), key * this.d);
    return out;
  }

  /** Back through unembedding, RMSNorm and MLP to the residual stream after attention. */
  private gradientOfMid(row: Row, c: number): Float64Array {
    const { d } = this;
    const normed = Float64Array.from({ length: d }, (_, i) => this.weight("W_U")[c * d + i] * this.weight("gain")[i]);
    const size = Math.sqrt(inner(row.residPost, row.residPost));
    const along = inner(normed, row.residPost) / (size * size);
    const post = normed.map((g, i) => (Math.sqrt(d) / size) * (g - along * row.residPost[i]));
    const hidden = applyTransposed(this.weight("W_out"), post, this.dMlp).map((g, i) => (row.neurons[i] > 0 ? g : 0));
    return plus(post, applyTransposed(this.weight("W_in"), hidden, d));
  }

  /** Through values (pattern fixed) and through keys (softmax), for one position. */
  private gradientOfInput(row: Row, z: Float64Array, key: number): Float64Array {
    const { d } = this;
    const dHead = d / HEADS;
    const head = (i: number): number => Math.floor(i / dHead);
    const value = z.map((g, i) => g * row.pattern[head(i) * 3 + key]);
    const scores = Array.from({ length: HEADS }, (_, h) => {
      const each = row.v.map((v) => inner(z.subarray(h * dHead, (h + 1) * dHead), v.subarray(h * dHead, (h + 1) * dHead)));
      const mean = each.reduce((sum, g, j) => sum + g * row.pattern[h * 3 + j], 0);
      return row.pattern[h * 3 + key] * ((each[key] as number) - mean);
    });
    const keyGradient = Float64Array.from({ length: d }, (_, i) => ((scores[head(i)] as number) * this.query[i]) / Math.sqrt(d));
    return plus(applyTransposed(this.weight("W_V"), value, d), applyTransposed(this.weight("W_K"), keyGradient, d));
  }
}

function slice(x: Floats, index: number, length: number): Float64Array {
  const part = x.subarray(index * length, (index + 1) * length);
  return part instanceof Float64Array ? part : Float64Array.from(part);
}
