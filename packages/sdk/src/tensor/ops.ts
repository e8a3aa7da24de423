/** What analyses do to small tensors: all of it copies, none of it is for the inner loop of a model. */
import { TritlensError } from "../core/errors.ts";
import { permute } from "./permute.ts";
import { requireShape, shapeText, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Index of an axis. @throws E_NAME. */
export function axisOf(tensor: Tensor, axis: string): number {
  const k = tensor.axes.indexOf(axis);
  if (k >= 0) return k;
  throw new TritlensError("E_NAME", `the tensor has no axis "${axis}"`, { expected: `one of ${tensor.axes.join(", ")}`, found: axis });
}

/** Tensor of zeros. */
export function zeros(shape: readonly number[], axes?: readonly string[]): Tensor {
  return Tensor.from(new Float32Array(sizeOf(shape)), shape, axes);
}

/** Tensors of one shape side by side, along a new first axis. @throws E_SHAPE for different shapes or an empty list. */
export function stack(tensors: readonly Tensor[], axis: string): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new TritlensError("E_SHAPE", "nothing to stack", { expected: "at least one tensor", found: "none" });
  const out = new Float32Array(tensors.length * first.size);
  for (const [i, t] of tensors.entries()) {
    requireShape(`tensor ${i} of the stack`, first.shape, t.shape);
    out.set(t.data, i * first.size);
  }
  return Tensor.from(out, [tensors.length, ...first.shape], [axis, ...first.axes]);
}

/** Tensors one after the other along an axis they have. @throws E_SHAPE, E_NAME. */
export function concat(tensors: readonly Tensor[], axis: string): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new TritlensError("E_SHAPE", "nothing to join", { expected: "at least one tensor", found: "none" });
  const k = axisOf(first, axis);
  const outer = sizeOf(first.shape.slice(0, k));
  const extent = tensors.reduce((n, t) => n + (t.shape[k] ?? 0), 0);
  const inner = sizeOf(first.shape.slice(k + 1));
  const out = new Float32Array(outer * extent * inner);
  let at = 0;
  for (const [i, t] of tensors.entries()) {
    const n = t.shape[k] ?? 0;
    requireShape(`tensor ${i}`, first.shape.with(k, n), t.shape);
    const { data } = t;
    for (let o = 0; o < outer; o++) out.set(data.subarray(o * n * inner, (o + 1) * n * inner), (o * extent + at) * inner);
    at += n;
  }
  return Tensor.from(out, first.shape.with(k, extent), first.axes);
}

/** f of every element. */
export function mapTensor(tensor: Tensor, f: (x: number, index: number) => number): Tensor {
  return Tensor.from(Float32Array.from(tensor.data, f), tensor.shape, tensor.axes);
}

/** f of every pair of elements. @throws E_SHAPE for different shapes. */
export function zipTensors(a: Tensor, b: Tensor, f: (x: number, y: number) => number): Tensor {
  requireShape("the second tensor", a.shape, b.shape);
  const [x, y] = [a.data, b.data];
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = f(x[i] as number, y[i] as number);
  return Tensor.from(out, a.shape, a.axes);
}

/** a - b. */
export function subtract(a: Tensor, b: Tensor): Tensor {
  return zipTensors(a, b, (x, y) => x - y);
}

/** a + b. */
export function plus(a: Tensor, b: Tensor): Tensor {
  return zipTensors(a, b, (x, y) => x + y);
}

/** Sum over an axis, which disappears; sums are taken in f64. @throws E_NAME. */
export function sumOver(tensor: Tensor, axis: string): Tensor {
  const k = axisOf(tensor, axis);
  const extent = tensor.shape[k] as number;
  const inner = sizeOf(tensor.shape.slice(k + 1));
  const outer = sizeOf(tensor.shape.slice(0, k));
  const { data } = tensor;
  const out = new Float32Array(outer * inner);
  const sums = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    sums.fill(0);
    for (let e = 0; e < extent; e++) {
      const at = (o * extent + e) * inner;
      for (let i = 0; i < inner; i++) sums[i] = (sums[i] as number) + (data[at + i] as number);
    }
    out.set(sums, o * inner);
  }
  return Tensor.from(out, tensor.shape.toSpliced(k, 1), tensor.axes.toSpliced(k, 1));
}

/** Mean over an axis, which disappears. @throws E_NAME. */
export function meanOver(tensor: Tensor, axis: string): Tensor {
  const extent = tensor.shape[axisOf(tensor, axis)] as number;
  return mapTensor(sumOver(tensor, axis), (x) => x / extent);
}

/** Entries of an axis, in the order asked for. @throws E_NAME, E_RANGE. */
export function selectAlong(tensor: Tensor, axis: string, indices: readonly number[]): Tensor {
  return concat(
    indices.map((i) => {
      const one = tensor.slice(axis, i);
      const k = axisOf(tensor, axis);
      return one.reshape(one.shape.toSpliced(k, 0, 1), tensor.axes);
    }),
    axis,
  );
}

/** The same elements with the axes in another order. @throws E_NAME unless `axes` names every axis once. */
export function transpose(tensor: Tensor, axes: readonly string[]): Tensor {
  const order = axes.map((axis) => axisOf(tensor, axis));
  if (new Set(order).size !== tensor.axes.length || axes.length !== tensor.axes.length)
    throw new TritlensError("E_NAME", "transpose needs every axis once", { expected: shapeText(tensor.shape, tensor.axes), found: axes.join(", ") });
  return Tensor.from(
    permute(tensor.data, tensor.shape, order),
    order.map((k) => tensor.shape[k] as number),
    axes,
  );
}
