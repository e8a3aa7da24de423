/// <reference lib="esnext.disposable" preserve="true" />
/** One linear layer whose weights stay packed: 1, 1.6 or 2 bits a weight in memory, multiplied without unpacking. */
import type { Core, PackedHandle, PackedInfo } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { defaultCore } from "../core/load.ts";
import { requireLength, Tensor } from "../tensor/index.ts";

/** How codes are packed for products: 1 bit, 2 bits, or five trits a byte. */
export const PACKED_FORMATS = ["binary", "ternary2", "ternary5"] as const;
/** One of {@link PACKED_FORMATS}. */
export type PackedFormat = (typeof PACKED_FORMATS)[number];

/** Layouts of other programs: GGUF's blocks, transformers' BitNet, bitnet.cpp. */
export const PACKED_LAYOUTS = ["tq1_0", "tq2_0", "q1_0", "hf", "i2_s", "i2_s_neon"] as const;
/** One of {@link PACKED_LAYOUTS}. */
export type PackedLayout = (typeof PACKED_LAYOUTS)[number];

/** What a layer is made from. */
export interface PackedParts {
  /** Codes -1, 0, +1, row-major [rows, cols] (no 0 in `binary`). */
  readonly codes: Int8Array;
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  /** A number for the matrix, or an array with one a row [rows] or one a row and group [rows, groups]. Default 1. */
  readonly scales?: number | Float32Array;
  /** Added to `scale * code`, one a row and group [rows, groups]; none when left out. */
  readonly shifts?: Float32Array;
  /** Columns of a group, a divisor of `cols`; all of them when left out. */
  readonly group?: number;
  /** Default `ternary2`, the fastest for ternary codes; `ternary5` is a fifth smaller, `binary` half the size. */
  readonly format?: PackedFormat;
}

/** A layer in another program's layout. */
export interface PackedBytes {
  /** As many as `core.packedBytes(layout, rows, cols)` says. */
  readonly bytes: Uint8Array;
  /** What codes are multiplied with: beside the bytes in `hf`, else that of the first block. */
  readonly scale: number;
}

/** Options of every way to make a layer. */
export interface PackedOptions {
  /** The core to run on; the first one loaded by `loadCore` when left out. */
  readonly core?: Core;
}

/**
 * A packed linear layer, `y = x Wᵀ` with `W = scale · code + shift`.
 *
 * Not for training (a `Model` keeps latent weights) and not for tiny matrices, whose products cost less than the call.
 *
 * @example
 * ```ts
 * using layer = PackedLinear.fromCodes({ codes, rows: 2560, cols: 2560, scales: 0.02 });
 * const y = layer.forward(x); // int8 activations, [rows] or [batch, rows]
 * ```
 * Scales a row and group with shifts are TernaryLLM's dual learnable ternarization (arXiv 2406.07177).
 */
export class PackedLinear {
  readonly #core: Core;
  readonly #handle: PackedHandle;
  /** Format, shape and sizes. */
  readonly info: PackedInfo;

  private constructor(core: Core, handle: PackedHandle) {
    this.#core = core;
    this.#handle = handle;
    this.info = core.describePacked(handle);
  }

  /** Packs codes. @throws E_SHAPE, E_FORMAT (a code the format cannot hold), E_NONFINITE, E_NAME, E_DETACHED. */
  static fromCodes(parts: PackedParts, { core = defaultCore() }: PackedOptions = {}): PackedLinear {
    const { codes, rows, cols, scales = 1, shifts = new Float32Array(0), group = 0, format = "ternary2" } = parts;
    sizes(rows, cols, group);
    const numbers = typeof scales === "number" ? Float32Array.of(scales) : scales;
    return new PackedLinear(core, core.openPackedCodes(format, rows, cols, group, codes, numbers, shifts));
  }

  /**
   * Reads a layer from another program's bytes, without loss: blocks with scales of their own become groups. `scale` is for `hf`, whose bytes hold none (the factor the
   * codes are multiplied with).
   *
   * @throws E_SHAPE, E_FORMAT, E_NAME, E_DETACHED.
   */
  static fromLayout(
    layout: PackedLayout,
    bytes: Uint8Array,
    { rows, cols, scale = 1, format }: { rows: number; cols: number; scale?: number; format?: PackedFormat },
    { core = defaultCore() }: PackedOptions = {},
  ): PackedLinear {
    sizes(rows, cols, 0);
    const wanted = format ?? (layout === "q1_0" ? "binary" : "ternary2");
    return new PackedLinear(core, core.importPacked(layout, wanted, rows, cols, scale, bytes));
  }

  /**
   * `x [cols]` to `y [rows]`, or `x [batch, cols]` to `y [batch, rows]`.
   *
   * With `activations: "int8"` (the default) each row of x is quantised first (one scale a row, max|x| / 127, as BitNet b1.58 does) and the products are integers, the same
   * on every machine; with `"f32"` every product is exact and sums are f32 in a fixed order. `out` takes the result without an allocation.
   *
   * @throws E_SHAPE, E_CLOSED, E_DETACHED.
   */
  forward(
    x: Float32Array | Tensor,
    { activations = "int8", out }: { readonly activations?: "int8" | "f32"; readonly out?: Float32Array } = {},
  ): Tensor {
    const { rows, cols } = this.info;
    const { data, batch } = this.#rowsOf("x", x, cols);
    const y = out ?? new Float32Array((batch ?? 1) * rows);
    this.#core.packedForward(this.#handle, data, batch ?? 1, activations === "int8", y);
    return Tensor.from(y, batch === undefined ? [rows] : [batch, rows]);
  }

  /** `dy [rows]` to `dx [cols]`, or with a batch: the gradient of {@link forward} with f32 activations. @throws E_SHAPE, E_CLOSED, E_DETACHED. */
  backward(dy: Float32Array | Tensor): Tensor {
    const { rows, cols } = this.info;
    const { data, batch } = this.#rowsOf("dy", dy, rows);
    const dx = new Float32Array((batch ?? 1) * cols);
    this.#core.packedBackward(this.#handle, data, batch ?? 1, dx);
    return Tensor.from(dx, batch === undefined ? [cols] : [batch, cols]);
  }

  /** Codes -1, 0, +1 [rows, cols]. */
  codes(): Int8Array {
    const out = new Int8Array(this.info.rows * this.info.cols);
    this.#core.readPackedCodes(this.#handle, out);
    return out;
  }

  /** One scale [1], one a row [rows], or one a row and group [rows, groups]. */
  scales(): Float32Array {
    const out = new Float32Array(this.info.scales);
    if (out.length > 0) this.#core.readPackedScales(this.#handle, 0, out);
    return out;
  }

  /** Shifts [rows, groups], or nothing. */
  shifts(): Float32Array {
    const out = new Float32Array(this.info.shifts);
    if (out.length > 0) this.#core.readPackedScales(this.#handle, 1, out);
    return out;
  }

  /** The packed bytes: rows * groups short rows of the layout described in `crates/kernels/src/pack.rs`. */
  bytes(): Uint8Array {
    const out = new Uint8Array(this.info.bytes);
    this.#core.readPackedBytes(this.#handle, out);
    return out;
  }

  /** Writes the layer in another program's layout. @throws E_FORMAT when something would be lost, E_SHAPE, E_NAME. */
  toLayout(layout: PackedLayout): PackedBytes {
    const bytes = new Uint8Array(this.#core.packedBytes(layout, this.info.rows, this.info.cols));
    return { scale: this.#core.exportPacked(this.#handle, layout, bytes), bytes };
  }

  /** Gives the memory back; later calls throw E_CLOSED. */
  dispose(): void {
    this.#core.closePacked(this.#handle);
  }

  /** For `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #rowsOf(name: string, x: Float32Array | Tensor, cols: number): { data: Float32Array; batch: number | undefined } {
    if (x instanceof Tensor) {
      const [batch, last] = x.shape.length === 2 ? [x.shape[0], x.shape[1]] : [undefined, x.shape[0]];
      if (x.shape.length > 2 || last !== cols)
        throw new TritlensError("E_SHAPE", `${name} has the wrong shape`, {
          expected: `[${cols}] or [batch, ${cols}]`,
          found: `[${x.shape.join(", ")}]`,
        });
      return { data: x.data, batch };
    }
    if (x.length === cols) return { data: x, batch: undefined };
    const batch = Math.floor(x.length / cols);
    requireLength(name, Math.max(1, batch) * cols, x.length);
    return { data: x, batch };
  }
}

function sizes(rows: number, cols: number, group: number): void {
  for (const [name, value, low] of [
    ["rows", rows, 1],
    ["cols", cols, 1],
    ["group", group, 0],
  ] as const)
    if (!Number.isInteger(value) || value < low || value > 0xffff_ffff)
      throw new TritlensError("E_SHAPE", `${name} is no size`, { expected: `an integer from ${low}`, found: String(value) });
}
