/** A typed array with a shape and named axes: what every read-out of the SDK returns. */
import { TritlensError } from "../core/errors.ts";
import { describeTensor } from "./print.ts";
import { requireLength, shapeText, sizeOf, stridesOf } from "./shape.ts";

/** The typed arrays that hold tensor data. */
export type TensorData = Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** Names of the element types, as NumPy and PyTorch spell them. */
export type DType = "float32" | "float64" | "int32" | "int16" | "int8" | "uint8";

/** Numbers nested as deep as the tensor has axes. */
export type Nested = number | Nested[];

/** `[lo, hi)` along an axis; a single index drops the axis. */
export type AxisIndex = number | readonly [lo: number, hi: number];

/**
 * A row-major tensor with named axes. It owns nothing but a typed array: make one from any data, read `data` directly.
 *
 * Tensors handed to hook functions are live views of the running model: writing into `data` changes the run, and reading one after its hook
 * returned throws E_CLOSED; `copy()` keeps a value.
 *
 * @example
 * ```ts
 * const z = cache.get("blocks.0.attn.hook_z");  // [batch, pos, head, d_head]
 * z.at(0, 2, 1, 0); z.slice("head", 1).shape; console.log(z);
 * ```
 */
export class Tensor<D extends TensorData = Float32Array> {
  /** Extent of each axis. */
  readonly shape: readonly number[];
  /** Name of each axis, for example `batch`, `pos`, `head`. */
  readonly axes: readonly string[];
  readonly #source: () => D;

  /** Use {@link Tensor.from}; the constructor takes a function so that live views can check that they are still valid. */
  constructor(source: () => D, shape: readonly number[], axes: readonly string[]) {
    this.#source = source;
    this.shape = shape;
    this.axes = axes;
  }

  /**
   * Wraps a typed array (no copy).
   *
   * @throws E_SHAPE when the number of elements or of axis names does not fit the shape.
   */
  static from<T extends TensorData>(data: T, shape: readonly number[], axes?: readonly string[]): Tensor<T> {
    requireLength(`a tensor of shape ${shapeText(shape)}`, sizeOf(shape), data.length);
    const names = axes ?? shape.map((_, i) => `axis${i}`);
    if (names.length !== shape.length) {
      throw new TritlensError("E_SHAPE", "one axis name for each axis is needed", {
        expected: `${shape.length} names`,
        found: `[${names.join(", ")}]`,
      });
    }
    return new Tensor(() => data, shape, names);
  }

  /** The elements, row-major. */
  get data(): D {
    return this.#source();
  }

  /** Element type. */
  get dtype(): DType {
    return dtypeOf(this.data);
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /**
   * One element.
   *
   * @throws E_RANGE when an index is outside its axis; E_SHAPE when the number of indices is not the number of axes.
   */
  at(...index: number[]): number {
    requireLength(`the index of a tensor ${shapeText(this.shape, this.axes)}`, this.shape.length, index.length);
    const strides = stridesOf(this.shape);
    const offset = index.reduce((sum, i, axis) => sum + this.#checked(i, axis) * (strides[axis] as number), 0);
    return this.data[offset] as number;
  }

  /**
   * A copy of part of one axis, named or numbered (negative indices count from the end): a single index drops the axis, `[lo, hi)` keeps it.
   *
   * @throws E_NAME for an unknown axis, E_RANGE outside of it.
   */
  slice(axis: string | number, index: AxisIndex): Tensor<D> {
    const k = this.#axis(axis);
    const extent = this.shape[k] as number;
    const [lo, hi] = typeof index === "number" ? [this.#checked(index, k), this.#checked(index, k) + 1] : this.#range(index, k);
    const inner = sizeOf(this.shape.slice(k + 1));
    const outer = sizeOf(this.shape.slice(0, k));
    const source = this.data;
    const out = new (source.constructor as new (n: number) => D)(outer * (hi - lo) * inner);
    for (let o = 0; o < outer; o++) {
      out.set(source.subarray((o * extent + lo) * inner, (o * extent + hi) * inner), o * (hi - lo) * inner);
    }
    const keep = typeof index === "number" ? [] : [hi - lo];
    const name = typeof index === "number" ? [] : [this.axes[k] as string];
    return Tensor.from(out, splice(this.shape, k, keep), splice(this.axes, k, name));
  }

  /** Numbers nested as the shape says. For small tensors and tests. */
  toNested(): Nested {
    const data = this.data;
    const build = (axis: number, offset: number, size: number): Nested => {
      if (axis === this.shape.length) return data[offset] as number;
      const step = size / (this.shape[axis] as number);
      return Array.from({ length: this.shape[axis] as number }, (_, i) => build(axis + 1, offset + i * step, step));
    };
    return build(0, 0, this.size);
  }

  /** A tensor that owns a copy of the data; what to keep from a hook. */
  copy(): Tensor<D> {
    return Tensor.from(this.data.slice() as D, this.shape, this.axes);
  }

  /** Same data (no copy) under another shape of the same size. */
  reshape(shape: readonly number[], axes?: readonly string[]): Tensor<D> {
    return Tensor.from(this.data, shape, axes);
  }

  /** Shape, axis names, least, mean and largest value, and a few elements. */
  toString(): string {
    return describeTensor(this);
  }

  #axis(axis: string | number): number {
    const k = typeof axis === "number" ? axis : this.axes.indexOf(axis);
    if (k >= 0 && k < this.shape.length) return k;
    throw new TritlensError("E_NAME", `unknown axis ${String(axis)}`, { expected: `one of ${this.axes.join(", ")}`, found: String(axis) });
  }

  #checked(i: number, axis: number): number {
    const extent = this.shape[axis] as number;
    const k = i < 0 ? i + extent : i;
    if (Number.isInteger(k) && k >= 0 && k < extent) return k;
    throw new TritlensError("E_RANGE", `index outside axis "${this.axes[axis]}"`, {
      expected: `an integer in [${-extent}, ${extent})`,
      found: String(i),
    });
  }

  #range([lo, hi]: readonly [number, number], axis: number): [number, number] {
    const extent = this.shape[axis] as number;
    if (Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo <= hi && hi <= extent) return [lo, hi];
    throw new TritlensError("E_RANGE", `range outside axis "${this.axes[axis]}"`, {
      expected: `0 <= lo <= hi <= ${extent}`,
      found: `[${lo}, ${hi})`,
    });
  }
}

// What `console.log` shows in Node. Set here because a computed member name cannot be declared under isolatedDeclarations.
Object.defineProperty(Tensor.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Tensor<TensorData>): string {
    return this.toString();
  },
});

/** `list` with the entry at `k` replaced by `put`. */
function splice<T>(list: readonly T[], k: number, put: readonly T[]): T[] {
  return [...list.slice(0, k), ...put, ...list.slice(k + 1)];
}

/** Name of an array's element type. */
export function dtypeOf(data: TensorData): DType {
  return data.constructor.name.replace("Array", "").toLowerCase() as DType;
}
