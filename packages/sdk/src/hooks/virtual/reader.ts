/**
 * Inputs of attention and MLPs from the residual stream, before their norm: hook_attn_in, hook_{q,k,v}_input (a copy of the stream for every head) and
 * hook_mlp_in. A change shows in what is computed from it: queries, keys and values of that head, or what the MLP's norm gives.
 */
import type { SiteDim } from "../../spec/index.ts";
import { Tensor, zeros } from "../../tensor/index.ts";
import { fakeInt8, type NormRows, type NormStep, normBackward, normForward, normRows } from "./norm.ts";
import type { ModelParts } from "./part.ts";
import { addHeadRows, headRows, headsOf, repeatRows, same, transposed } from "./rows.ts";
import type { Change, VirtualSite } from "./site.ts";

/** How a target comes from the stream: norms, then a matrix (none where the target is what the norm gives). */
export interface Projection {
  /** Norms, as the weights are now. */
  steps(): NormStep[];
  /** The matrix [out, in]. */
  readonly weight?: string;
}

/** A norm and what went into it. */
interface PassedNorm {
  readonly x: Float32Array;
  readonly step: NormStep;
  readonly rows: NormRows;
}

/** A projection with its weights. */
class OpenProjection {
  readonly #parts: ModelParts;
  readonly #steps: NormStep[];
  readonly #matrix: Float32Array | undefined;
  readonly #int8: boolean;
  /** The last way through the norms: the same for every head whose input nothing changed. */
  #passed: { readonly x: Float32Array; readonly steps: readonly PassedNorm[] } | undefined;

  constructor(parts: ModelParts, { steps, weight }: Projection) {
    this.#parts = parts;
    this.#steps = steps();
    this.#matrix = weight === undefined ? undefined : parts.read(weight);
    this.#int8 = weight !== undefined && parts.int8(weight);
  }

  /** What the matrix multiplies with. */
  normed(x: Float32Array): Float32Array {
    const d = this.#parts.config.dModel;
    const y = this.#steps.reduce((rows, step) => normForward(rows, d, step), x);
    return this.#int8 ? fakeInt8(this.#parts.core, y, d) : y;
  }

  /** What `width` rows of the matrix, from `head * width` on, make of y [rows, d]; y itself where there is no matrix. */
  multiplied(y: Float32Array, head: number, width: number): Float32Array {
    const d = this.#parts.config.dModel;
    if (this.#matrix === undefined) return y;
    return this.#parts.matmul(y, transposed(this.#matrix, head * width * d, width, d, d), y.length / d, d, width);
  }

  /** The gradient at x. Quantisers pass it straight through. */
  back(grad: Float32Array, x: Float32Array, head: number, width: number): Float32Array {
    const d = this.#parts.config.dModel;
    const block = this.#matrix?.subarray(head * width * d, (head + 1) * width * d);
    const inside = block ? this.#parts.matmul(grad, block, x.length / d, width, d) : grad;
    if (this.#passed?.x !== x) this.#passed = { x, steps: this.#pass(x) };
    return this.#passed.steps.reduceRight((g, { x: input, step, rows }) => normBackward(g, input, d, step, rows), inside);
  }

  /** What goes into every norm on the way. */
  #pass(x: Float32Array): PassedNorm[] {
    const d = this.#parts.config.dModel;
    let input = x;
    return this.#steps.map((step, i) => {
      if (i > 0) input = normForward(input, d, this.#steps[i - 1] as NormStep);
      return { x: input, step, rows: normRows(input, d, step) };
    });
  }
}

/** What a reader is. */
export interface ReaderPlace {
  readonly name: string;
  /** Site of the residual stream. */
  readonly after: number;
  /** Copies of the stream; 0 for one without an axis of its own. */
  readonly heads: number;
  /** How each target is computed, by site. */
  readonly projections: ReadonlyMap<number, Projection>;
  readonly excludes?: readonly string[];
}

/** An input of a block. */
export class Reader implements VirtualSite {
  readonly name: string;
  readonly after: number;
  readonly targets: readonly number[];
  readonly excludes: readonly string[];
  readonly shape: readonly SiteDim[];
  readonly #parts: ModelParts;
  readonly #heads: number;
  readonly #projections: ReadonlyMap<number, Projection>;

  constructor(parts: ModelParts, { name, after, heads, projections, excludes = [] }: ReaderPlace) {
    this.name = name;
    this.after = after;
    this.targets = [...projections.keys()];
    this.excludes = excludes;
    this.shape = ["batch", "seq", ...(heads > 0 ? [heads] : []), parts.config.dModel];
    this.#parts = parts;
    this.#heads = heads;
    this.#projections = projections;
  }

  read(base: Tensor): Tensor {
    if (this.#heads === 0) return base.copy();
    const [batch, pos, d] = base.shape as [number, number, number];
    return Tensor.from(repeatRows(base.data, d, this.#heads), [batch, pos, this.#heads, d], ["batch", "pos", "head", "d_model"]);
  }

  write(target: number, value: Tensor, { from, to }: Change): void {
    const { heads, width } = headsOf(value);
    const projection = this.#open(target);
    // Every head starts from the same stream, and behind the norm everything is linear.
    const stream = headRows(from, 0);
    const before = projection.normed(stream);
    for (let h = 0; h < heads; h++) {
      const after = headRows(to, h);
      if (same(stream, after)) continue;
      const y = projection.normed(after);
      addHeadRows(value, h, projection.multiplied(difference(y, before), h, width));
    }
  }

  grad(target: number, grad: Tensor, base: Tensor, value: Tensor | undefined): Tensor {
    const { heads, width } = headsOf(grad);
    const projection = this.#open(target);
    const out = this.#zeros(base);
    for (let h = 0; h < heads; h++) {
      const x = value === undefined ? base.data : headRows(value, h);
      addHeadRows(out, h, projection.back(headRows(grad, h), x, h, width));
    }
    return out;
  }

  giveBack(grad: Tensor, difference: Tensor): void {
    for (let h = 0; h < Math.max(this.#heads, 1); h++) addHeadRows(grad, 0, headRows(difference, h));
  }

  #open(target: number): OpenProjection {
    return new OpenProjection(this.#parts, this.#projections.get(target) as Projection);
  }

  #zeros({ shape }: Tensor): Tensor {
    const [batch, pos, d] = shape as [number, number, number];
    if (this.#heads === 0) return zeros(shape, ["batch", "pos", "d_model"]);
    return Tensor.from(new Float32Array(batch * pos * this.#heads * d), [batch, pos, this.#heads, d], ["batch", "pos", "head", "d_model"]);
  }
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = (a[i] as number) - (b[i] as number);
  return out;
}
