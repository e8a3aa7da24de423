/** Ridge regression in closed form. */
import { type Core, defaultCore, meanOver, permute, Tensor, TritlensError } from "tritlens";

/** An affine map: y = x . weight + bias. */
export interface AffineMap {
  /** [feature, output]. */
  readonly weight: Tensor;
  /** [output]. */
  readonly bias: Tensor;
}

/** Options of {@link ridge}. */
export interface RidgeOptions {
  /** Strength of the penalty, relative to the mean variance of a feature (1e-3): 0 is least squares, and needs more examples than features. */
  readonly l2?: number;
  /** The core that multiplies; the first one loaded when left out. */
  readonly core?: Core;
}

/**
 * The affine map that minimises |x . W + b - y|^2 + penalty |W|^2, summed over the examples; b is not penalised. Solved through the normal equations, with products in f32
 * and the factorisation in f64: for a few thousand features at most.
 *
 * @param features - [example, feature].
 * @param targets - [example, output].
 * @throws E_SHAPE, E_RANGE for a negative penalty, E_NONFINITE for numbers that are none, or for features that depend on each other without a penalty.
 */
export function ridge(features: Tensor, targets: Tensor, { l2 = 1e-3, core = defaultCore() }: RidgeOptions = {}): AffineMap {
  const [n, d] = matrixShape("features", features);
  const [rows, outputs] = matrixShape("targets", targets);
  if (rows !== n || n === 0)
    throw new TritlensError("E_SHAPE", "one row of targets for each example is needed", { expected: `${n} rows, at least one`, found: `${rows}` });
  if (!(l2 >= 0 && Number.isFinite(l2))) throw new TritlensError("E_RANGE", "wrong l2", { expected: "a number of at least 0", found: String(l2) });
  const [x, y] = [centred(features), centred(targets)];
  const xt = permute(x.data, [n, d], [1, 0]);
  const [gram, right] = [new Float32Array(d * d), new Float32Array(d * outputs)];
  core.matmul(xt, x.data, d, n, d, gram);
  core.matmul(xt, y.data, d, n, outputs, right);
  let trace = 0;
  for (let j = 0; j < d; j++) trace += gram[j * d + j] as number;
  const penalty = (l2 * trace) / d;
  const system = Float64Array.from(gram);
  // Features that are all constant have no variance; any penalty gives them the weight 0.
  for (let j = 0; j < d; j++) system[j * d + j] = (system[j * d + j] as number) + (trace > 0 ? penalty : 1);
  const solution = solveSymmetric(system, Float64Array.from(right), d, outputs);
  const bias = y.mean.map((value, o) => {
    let sum = value;
    for (let j = 0; j < d; j++) sum -= (x.mean[j] as number) * (solution[j * outputs + o] as number);
    return sum;
  });
  return {
    weight: Tensor.from(Float32Array.from(solution), [d, outputs], ["feature", "output"]),
    bias: Tensor.from(bias, [outputs], ["output"]),
  };
}

/** y = x . weight + bias, [example, output]. @throws E_SHAPE. */
export function applyAffine({ weight, bias }: AffineMap, x: Tensor, core: Core = defaultCore()): Tensor {
  const [n, d] = matrixShape("features", x);
  const [features, outputs] = weight.shape as unknown as [number, number];
  if (d !== features) throw new TritlensError("E_SHAPE", "wrong number of features", { expected: String(features), found: String(d) });
  const out = new Float32Array(n * outputs);
  core.matmul(x.data, weight.data, n, d, outputs, out);
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (bias.data[i % outputs] as number);
  return Tensor.from(out, [n, outputs], ["example", "output"]);
}

function matrixShape(what: string, { shape }: Tensor): [number, number] {
  if (shape.length === 2) return [shape[0] as number, shape[1] as number];
  throw new TritlensError("E_SHAPE", `${what} have to be a matrix`, { expected: "[example, feature]", found: `[${shape.join(", ")}]` });
}

function centred(x: Tensor): { data: Float32Array; mean: Float32Array } {
  const mean = meanOver(x, x.axes[0] as string).data;
  return { mean, data: x.data.map((value, i) => value - (mean[i % mean.length] as number)) };
}

/** Solves A X = B for a symmetric positive definite A [d, d] and B [d, outputs] by Cholesky; both are overwritten. @throws E_NONFINITE. */
function solveSymmetric(a: Float64Array, b: Float64Array, d: number, outputs: number): Float64Array {
  for (let j = 0; j < d; j++) {
    // What f32 products leave of a pivot that is 0.
    const least = 1e-7 * (a[j * d + j] as number);
    const rowJ = a.subarray(j * d, j * d + j);
    for (let i = j; i < d; i++) {
      let sum = a[i * d + j] as number;
      const at = i * d;
      for (let k = 0; k < j; k++) sum -= (a[at + k] as number) * (rowJ[k] as number);
      if (i === j && !(sum > least))
        throw new TritlensError("E_NONFINITE", "the regression has no single solution", {
          expected: "finite features, and a penalty l2 when they depend on each other",
          found: `pivot ${sum}`,
        });
      a[i * d + j] = i === j ? Math.sqrt(sum) : sum / (a[j * d + j] as number);
    }
  }
  for (let i = 0; i < d; i++) {
    for (let k = 0; k < i; k++) addRow(b, i, -(a[i * d + k] as number), k, outputs);
    scaleRow(b, i, 1 / (a[i * d + i] as number), outputs);
  }
  for (let i = d - 1; i >= 0; i--) {
    for (let k = i + 1; k < d; k++) addRow(b, i, -(a[k * d + i] as number), k, outputs);
    scaleRow(b, i, 1 / (a[i * d + i] as number), outputs);
  }
  return b;
}

function addRow(b: Float64Array, to: number, factor: number, from: number, n: number): void {
  for (let o = 0; o < n; o++) b[to * n + o] = (b[to * n + o] as number) + factor * (b[from * n + o] as number);
}

function scaleRow(b: Float64Array, row: number, factor: number, n: number): void {
  for (let o = 0; o < n; o++) b[row * n + o] = (b[row * n + o] as number) * factor;
}
