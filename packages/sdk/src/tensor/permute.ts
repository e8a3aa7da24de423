/** Reordering of axes. */
import { sizeOf, stridesOf } from "./shape.ts";

/** Row-major data with its axes in another order: axis i of the result is axis `order[i]` of the input. */
export function permute(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = stridesOf(shape);
  const dims = order.map((k) => shape[k] as number);
  const steps = order.map((k) => strides[k] as number);
  const out = new Float32Array(sizeOf(shape));
  let n = 0;
  const walk = (axis: number, offset: number): void => {
    const [dim, step] = [dims[axis], steps[axis] as number];
    if (dim === undefined) out[n++] = data[offset] as number;
    else for (let i = 0; i < dim; i++) walk(axis + 1, offset + i * step);
  };
  walk(0, 0);
  return out;
}
