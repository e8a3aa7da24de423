/** Quantising a finished matrix: which methods there are, and how a matrix is cut into segments that share a scale. */
import { requireAttached, TritlensError, unknownName } from "../core/errors.ts";
import { decodeFloats } from "../io/index.ts";
import { requireLength } from "../tensor/index.ts";
import { encodeFloats } from "./numbers.ts";
import { leastSquaresBinary, sign } from "./quantize-binary.ts";
import { absmean, leastSquares, twn, twnExact } from "./quantize-ternary.ts";

/** One bit a weight (-1, +1) or a trit (-1, 0, +1). */
export type LowBitFormat = "ternary" | "binary";

/**
 * How codes and scales are found, for weights w of one segment (tensor, row or group); the value is `scale * code`, or `scale * code + shift`.
 *
 * - `absmean` (ternary; BitNet b1.58, arXiv 2402.17764): scale = mean |w|, code = round(w / scale) cut to -1 .. 1.
 * - `twn` (ternary; Ternary Weight Networks, arXiv 1605.04711): zeros where |w| <= 0.7 mean |w|, scale = mean |w| of the others.
 * - `twnExact` (ternary): the threshold with the least squared error, found by sorting |w|.
 * - `leastSquares` (both): codes and scale in turns, each the best for the other, until nothing changes; with `shift` the scale and the shift of TernaryLLM's dual
 *   ternarization (arXiv 2406.07177), which is what helps where the weights of a segment do not have mean 0.
 * - `sign` (binary; XNOR-Net, arXiv 1603.05279): code = sign of w, scale = mean |w|; with `shift` both are taken about the mean of w (BitNet, arXiv 2310.11453).
 */
export type QuantizeMethod = "absmean" | "twn" | "twnExact" | "leastSquares" | "sign";

/** The methods of a format. */
export const METHODS: Readonly<Record<LowBitFormat, readonly QuantizeMethod[]>> = {
  ternary: ["absmean", "twn", "twnExact", "leastSquares"],
  binary: ["sign", "leastSquares"],
};

/** What shares a scale: the matrix, each row (output), or each group of columns within a row. */
export type Granularity = "tensor" | "row" | "group";

/** How a matrix is quantised. */
export interface QuantizeOptions {
  /** Codes. */
  readonly format: LowBitFormat;
  /** Default `leastSquares`. */
  readonly method?: QuantizeMethod;
  /** Default `tensor`. */
  readonly granularity?: Granularity;
  /** Columns of a group, a divisor of the columns; only with granularity `group`. Default 128. */
  readonly groupSize?: number;
  /** Adds a shift a segment; only with `leastSquares` and `sign`, and not with granularity `tensor`. No file format of other programs holds shifts. Default false. */
  readonly shift?: boolean;
  /** Rounds scales and shifts to 16-bit floats, which the block formats of GGUF hold. Default true. */
  readonly halfScales?: boolean;
}

/** A quantised matrix [rows, cols]. */
export interface QuantizedMatrix {
  /** -1, 0, +1, row-major [rows, cols]. */
  readonly codes: Int8Array;
  /** [1], [rows] or [rows, groups]. */
  readonly scales: Float32Array;
  /** Nothing, or [rows, groups] (one group with granularity `row`). */
  readonly shifts: Float32Array;
  /** Columns that share a scale; `cols` unless grouped. */
  readonly group: number;
}

/** Quantises `w[from .. from + n)` into `codes` and returns scale and shift. */
export type SegmentQuantizer = (w: Float32Array, from: number, n: number, codes: Int8Array) => readonly [scale: number, shift: number];

/** A complete and checked {@link QuantizeOptions}. */
export type QuantizePlan = Required<QuantizeOptions>;

/** Fills in the defaults and checks names and combinations. @throws E_NAME, E_MODE. */
export function quantizePlan(options: QuantizeOptions): QuantizePlan {
  const plan: QuantizePlan = { method: "leastSquares", granularity: "tensor", groupSize: 128, shift: false, halfScales: true, ...options };
  if (!Object.hasOwn(METHODS, plan.format)) throw unknownName("low-bit format", plan.format, Object.keys(METHODS));
  const methods = METHODS[plan.format];
  if (!methods.includes(plan.method)) throw unknownName(`method for ${plan.format} codes`, plan.method, methods);
  if (!["tensor", "row", "group"].includes(plan.granularity)) throw unknownName("granularity", plan.granularity, ["tensor", "row", "group"]);
  if (plan.shift && (!["leastSquares", "sign"].includes(plan.method) || plan.granularity === "tensor"))
    throw new TritlensError("E_MODE", "shifts go with the methods leastSquares and sign, and with the granularities row and group", {
      expected: "no shift here",
      found: `${plan.method}, ${plan.granularity}`,
    });
  return plan;
}

/**
 * Quantises a matrix after training. What comes out has lost most of what training put in; a network that is trained with its quantiser keeps it.
 *
 * @param w - [rows, cols], row-major; a row is what one output multiplies its inputs with.
 * @throws E_SHAPE, E_DETACHED, E_NONFINITE (weights that are no numbers), E_NAME, E_MODE.
 */
export function quantizeMatrix(w: Float32Array, rows: number, cols: number, options: QuantizeOptions): QuantizedMatrix {
  const plan = quantizePlan(options);
  requireAttached("the weights", w);
  requireLength("the weights", rows * cols, w.length);
  const group = plan.granularity === "group" ? plan.groupSize : cols;
  if (!Number.isInteger(group) || group < 1 || cols % group !== 0)
    throw new TritlensError("E_SHAPE", "groups do not divide the columns", { expected: `a divisor of ${cols}`, found: String(group) });
  requireFinite(w);
  const length = plan.granularity === "tensor" ? w.length : group;
  const segments = w.length / length;
  const out = { codes: new Int8Array(w.length), scales: new Float32Array(segments), shifts: new Float32Array(plan.shift ? segments : 0), group };
  const quantize = quantizerOf(plan);
  for (let s = 0; s < segments; s++) {
    const [scale, shift] = quantize(w, s * length, length, out.codes);
    out.scales[s] = scale;
    if (plan.shift) out.shifts[s] = shift;
  }
  return plan.halfScales ? { ...out, scales: toHalf(out.scales), shifts: toHalf(out.shifts) } : out;
}

function quantizerOf({ format, method, shift }: QuantizePlan): SegmentQuantizer {
  if (format === "binary") return method === "sign" ? sign(shift) : leastSquaresBinary(shift);
  switch (method) {
    case "absmean":
      return absmean;
    case "twn":
      return twn;
    case "twnExact":
      return twnExact;
    default:
      return leastSquares(shift);
  }
}

/** A sum is finite exactly when no addend is NaN or infinite: f32 values cannot overflow an f64 sum. */
function requireFinite(w: Float32Array): void {
  let sum = 0;
  for (let i = 0; i < w.length; i++) sum += w[i] as number;
  if (Number.isFinite(sum)) return;
  const at = w.findIndex((x) => !Number.isFinite(x));
  throw new TritlensError("E_NONFINITE", `weight ${at} is not finite`, { expected: "finite weights", found: String(w[at]) });
}

/** Values rounded to 16-bit floats. */
export function toHalf(values: Float32Array): Float32Array {
  return decodeFloats("F16", encodeFloats("F16", values));
}
