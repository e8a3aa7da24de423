/** QK and OV products of ternary heads in exact integers. */
import { type Model, requireLength, Tensor, TritlensError } from "tritlens";
import { codeRows, configOf, flippedCodes, requireCoded, requireIndex } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Which product. */
export type IntegerCircuitKind = "QK" | "OV";

/** One entry of an integer circuit. */
export interface CircuitEntry {
  /** Direction of the residual stream that queries (or inputs of OV) read, an index of d_model. */
  readonly row: number;
  /** Direction that keys read (or outputs are written to). */
  readonly column: number;
  /** Sum of products of codes. */
  readonly count: number;
}

/** The QK or OV matrix of a head as integers: what the codes do, without scales. */
export class IntegerCircuit extends Result {
  /** Sums of products of codes, [d_model, d_model]: rows are queries (inputs of OV), columns keys (outputs). Between -d_head and d_head. */
  readonly counts: Tensor<Int32Array>;
  /** What the counts are multiplied with: one number, or one an output. */
  readonly scale: Float32Array;
  /** `QK of L0H3`. */
  readonly name: string;
  /** Most that a count can be. */
  readonly bound: number;

  constructor(counts: Tensor<Int32Array>, scale: Float32Array, name: string, bound: number) {
    super();
    this.counts = counts;
    this.scale = scale;
    this.name = name;
    this.bound = bound;
  }

  /** The matrix that the forward pass works with, counts times scale: [d_model, d_model] in f32. */
  values(): Tensor {
    const { counts, scale } = this;
    const width = counts.shape[1];
    const data = Float32Array.from(counts.data, (x, i) => x * scale[scale.length === 1 ? 0 : i % width]);
    return Tensor.from(data, counts.shape, counts.axes);
  }

  /** How often each count occurs: index `count + bound`. */
  histogram(): Int32Array {
    const out = new Int32Array(2 * this.bound + 1);
    for (const x of this.counts.data) out[x + this.bound]++;
    return out;
  }

  /** The entries of largest absolute value. */
  top(count = 10): readonly CircuitEntry[] {
    const { data, shape } = this.counts;
    let least = 0;
    const histogram = this.histogram();
    for (let size = this.bound, seen = 0; size > 0 && seen < count; size--) {
      seen += histogram[this.bound + size] + histogram[this.bound - size];
      least = size;
    }
    const found: CircuitEntry[] = [];
    for (let i = 0; i < data.length; i++)
      if (data[i] !== 0 && Math.abs(data[i]) >= least) found.push({ row: Math.floor(i / shape[1]), column: i % shape[1], count: data[i] });
    return found.sort((a, b) => Math.abs(b.count) - Math.abs(a.count)).slice(0, count);
  }

  override chart(): Chart {
    const histogram = this.histogram();
    const [first, last] = [histogram.findIndex((n) => n > 0), histogram.findLastIndex((n) => n > 0)];
    const places = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    return {
      kind: "bars",
      title: `Counts of ${this.name}`,
      caption: `Sums of products of codes; independent codes would be binomial around 0. At most ${this.bound}.`,
      x: { name: "count", labels: places.map((i) => `${i - this.bound}`) },
      series: [{ name: "entries", values: places.map((i) => histogram[i]) }],
      unit: "entries",
    };
  }
}

/**
 * `W_Q^T W_K` or `W_V^T W_O^T` of one head as a product of codes, computed in integers by the packed kernels: the same numbers on every machine, equal when two heads are
 * equal. The matrix of the forward pass is `scale * counts`.
 *
 * With rotary positions QK is the score at distance 0. Only for heads whose factors have one scale each inside of the sum (one a matrix; rows of W_O may have their own).
 *
 * @returns `counts` [d_model_query, d_model_key] for QK, [d_model_in, d_model_out] for OV.
 * @throws E_MODE for models and matrices without such codes, E_RANGE for a layer or head that does not exist, E_NAME.
 * @example
 * ```ts
 * const qk = integerCircuit(model, "QK", { layer: 0, head: 3 });
 * qk.counts;    // Int32 [d_model_query, d_model_key]
 * qk.top(5);    // which directions of the residual stream attract each other most
 * ```
 */
export function integerCircuit(model: Model, kind: IntegerCircuitKind, place: { readonly layer: number; readonly head: number }): IntegerCircuit {
  const { left, right, scale, d, inner } = factors(model, kind, place);
  const bytes = new Uint8Array(model.core.packedBytes("ternary2", d, inner));
  model.core.packCodes("ternary2", right, d, inner, 1, bytes);
  const counts = new Int32Array(d * d);
  model.core.packedMatmulInt8("ternary2", bytes, d, inner, left, d, counts);
  const axes = kind === "QK" ? ["d_model_query", "d_model_key"] : ["d_model_in", "d_model_out"];
  return new IntegerCircuit(Tensor.from(counts, [d, d], axes), scale, `${kind} of L${place.layer}H${place.head}`, inner);
}

/** Codes of both factors of a product. */
interface Factors {
  /** [d_model, d_head]. */
  readonly left: Int8Array;
  /** [d_model, d_head]. */
  readonly right: Int8Array;
  readonly scale: Float32Array;
  readonly d: number;
  readonly inner: number;
}

function factors(model: Model, kind: IntegerCircuitKind, { layer, head }: { readonly layer: number; readonly head: number }): Factors {
  const { nHeads, nKeyValueHeads, nLayers, dModel: d, dHead: inner } = configOf(model);
  requireIndex("layer", layer, nLayers);
  requireIndex("head", head, nHeads);
  if (kind !== "QK" && kind !== "OV") throw new TritlensError("E_NAME", "unknown circuit", { expected: "QK or OV", found: String(kind) });
  requireCoded(model);
  const group = Math.floor((head * nKeyValueHeads) / nHeads);
  const side = (weight: string, at: number): Int8Array => {
    const { codes, cols } = codeRows(model, { weight, unit: "heads", layers: [layer] });
    const one = codes.subarray(at * cols, (at + 1) * cols);
    // Heads come as [d_head, d_model], those of W_O as well.
    return flippedCodes(Tensor.from(one, [inner, d], ["d_head", "d_model"])).data;
  };
  const name = (short: string): string => `blocks.${layer}.attn.${short}`;
  if (kind === "QK") {
    const scale = Float32Array.of(oneScale(model, name("W_Q")) * oneScale(model, name("W_K")));
    return { left: side("attn.W_Q", head), right: side("attn.W_K", group), scale, d, inner };
  }
  const into = oneScale(model, name("W_V"));
  const out = model.scales(name("W_O"));
  const scale = out.axes[0] === "d_out" && out.shape.length === 1 ? out.data : Float32Array.of(oneScale(model, name("W_O")));
  requireLength("the scales of W_O", scale.length === 1 ? 1 : d, scale.length);
  return { left: side("attn.W_V", group), right: side("attn.W_O", head), scale: scale.map((x) => x * into), d, inner };
}

/** The scale of a matrix that has one, or many equal ones. @throws E_MODE. */
function oneScale(model: Model, name: string): number {
  const { data } = model.scales(name);
  const other = data.findIndex((x) => x !== data[0]);
  const shifted = model.core
    .describe(model.program)
    .params.some((p, i) => p.name === name && p.stored && model.core.describeStored(model.program, i).shifts > 0);
  if (other < 0 && !shifted) return data[0];
  throw new TritlensError("E_MODE", `the product is no integer matrix times a scale: "${name}" has several scales or shifts`, {
    expected: "one scale a matrix",
    found: shifted ? "shifts" : `${data[0]} and ${data[other]}`,
  });
}
