/** How a tensor prints: one line of facts, then a small preview; never the whole of a big array. */
import type { Tensor, TensorData } from "./tensor.ts";

/** Elements shown at each end of a long preview. */
const EDGE = 4;

/**
 * `Tensor float32 [batch 2, pos 3] min -1.2 mean 0.01 max 3.4` and a preview of the first row. Non-finite values are counted, because a mean over
 * them would say nothing.
 */
export function describeTensor(tensor: Tensor<TensorData>): string {
  const dims = tensor.shape.map((d, i) => `${tensor.axes[i]} ${d}`).join(", ");
  const head = `Tensor ${tensor.dtype} [${dims}]`;
  if (tensor.size === 0) return `${head} empty`;
  return `${head} ${statistics(tensor.data)}\n  ${preview(tensor.data)}`;
}

/** Least, mean, largest over the finite values, and how many are not. */
function statistics(data: TensorData): string {
  let [min, max, sum, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const x of data) {
    if (!Number.isFinite(x)) continue;
    finite++;
    sum += x;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  const rest = data.length - finite;
  const odd = rest > 0 ? ` (${rest} non-finite)` : "";
  return finite === 0 ? `no finite value${odd}` : `min ${short(min)} mean ${short(sum / finite)} max ${short(max)}${odd}`;
}

function preview(data: TensorData): string {
  const all = Array.from(data.length <= 2 * EDGE ? data : data.subarray(0, EDGE), short);
  const tail = data.length <= 2 * EDGE ? [] : ["…", ...Array.from(data.subarray(data.length - EDGE), short)];
  return `[${[...all, ...tail].join(", ")}]`;
}

function short(x: number): string {
  // Through a number: cutting zeros off the text would make 1200.4 "12" and 3e-10 "3e-1".
  return String(Number.isInteger(x) ? x : Number(x.toPrecision(4)));
}
