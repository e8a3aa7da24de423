/** Multinomial logistic regression. */
import { type Core, defaultCore, permute, Tensor, TritlensError } from "tritlens";
import { type AffineMap, minimize } from "tritlens/interp";

/** Options of {@link logistic}. */
export interface LogisticOptions {
  /** Penalty: half of it times the sum of squared weights, in units of each feature's standard deviation, is added to the mean loss (1e-3). */
  readonly l2?: number;
  /** The core that multiplies; the first one loaded when left out. */
  readonly core?: Core;
}

/**
 * Weights [feature, class] and biases [class] of the softmax regression that minimises mean cross-entropy and the penalty. Features are standardised inside; the map returned
 * is for features as they are.
 *
 * For a penalty of 0, or for more than some thousand features, take another method: without a penalty separable classes have no solution.
 *
 * @param features - [example, feature].
 * @param labels - Class of each example, 0 to `classes` - 1.
 * @throws E_RANGE for a penalty that is not positive (the classes may be separable) or a label that is no class.
 */
export function logistic(
  features: Tensor,
  labels: ArrayLike<number>,
  classes: number,
  { l2 = 1e-3, core = defaultCore() }: LogisticOptions = {},
): AffineMap {
  if (!(l2 > 0 && Number.isFinite(l2))) throw new TritlensError("E_RANGE", "wrong l2", { expected: "a positive number", found: String(l2) });
  const [n, d] = features.shape as unknown as [number, number];
  const wrong = Array.from(labels).find((c) => !Number.isInteger(c) || c < 0 || c >= classes);
  if (wrong !== undefined)
    throw new TritlensError("E_RANGE", "a label is no class", { expected: `an integer in [0, ${classes})`, found: String(wrong) });
  const { x, mean, scale } = standardised(features);
  const xt = permute(x, [n, d], [1, 0]);
  const size = d * classes;
  const [logits, grad] = [new Float32Array(n * classes), new Float32Array(size)];
  const solution = minimize(
    (at) => {
      core.matmul(x, Float32Array.from(at.subarray(0, size)), n, d, classes, logits);
      const loss = softmaxLoss(logits, at.subarray(size), labels, classes);
      core.matmul(xt, logits, d, n, classes, grad);
      const full = new Float64Array(size + classes);
      let penalty = 0;
      for (let i = 0; i < size; i++) {
        penalty += (at[i] as number) ** 2;
        full[i] = (grad[i] as number) / n + l2 * (at[i] as number);
      }
      for (let i = 0; i < logits.length; i++) full[size + (i % classes)] = (full[size + (i % classes)] as number) + (logits[i] as number) / n;
      return { value: loss / n + (l2 / 2) * penalty, grad: full };
    },
    new Float64Array(size + classes),
  );
  const weight = Float32Array.from({ length: size }, (_, i) => (solution[i] as number) / (scale[Math.floor(i / classes)] as number));
  const bias = Float32Array.from({ length: classes }, (_, c) => {
    let sum = solution[size + c] as number;
    for (let j = 0; j < d; j++) sum -= (mean[j] as number) * (weight[j * classes + c] as number);
    return sum;
  });
  return { weight: Tensor.from(weight, [d, classes], ["feature", "class"]), bias: Tensor.from(bias, [classes], ["class"]) };
}

/** Mean 0 and deviation 1 column by column; columns that are constant stay 0. */
function standardised({ data, shape }: Tensor): { x: Float32Array; mean: Float64Array; scale: Float64Array } {
  const [n, d] = shape as unknown as [number, number];
  const [mean, scale] = [new Float64Array(d), new Float64Array(d)];
  for (let i = 0; i < data.length; i++) mean[i % d] = (mean[i % d] as number) + (data[i] as number) / n;
  for (let i = 0; i < data.length; i++) scale[i % d] = (scale[i % d] as number) + ((data[i] as number) - (mean[i % d] as number)) ** 2 / n;
  for (let j = 0; j < d; j++) scale[j] = Math.sqrt(scale[j] as number) || 1;
  return { x: data.map((value, i) => (value - (mean[i % d] as number)) / (scale[i % d] as number)), mean, scale };
}

/** Sum of the losses; logits become their gradient. */
function softmaxLoss(logits: Float32Array, bias: Float64Array, labels: ArrayLike<number>, classes: number): number {
  let loss = 0;
  const row = new Float64Array(classes);
  for (let e = 0, at = 0; at < logits.length; e++, at += classes) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) {
      row[c] = (logits[at + c] as number) + (bias[c] as number);
      most = Math.max(most, row[c] as number);
    }
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Math.exp((row[c] as number) - most);
    const lse = most + Math.log(sum);
    const label = labels[e] as number;
    loss += lse - (row[label] as number);
    for (let c = 0; c < classes; c++) logits[at + c] = Math.exp((row[c] as number) - lse) - (c === label ? 1 : 0);
  }
  return loss;
}
