/** Ternary codes as two planes of bits, and what popcounts of them say about pairs of rows. */
import { type Core, defaultCore, requireLength, requireShape, TritlensError } from "tritlens";

/** Counts for every row of one matrix of codes with every row of another, each [rows, other rows]. */
export interface TritCounts {
  /** Rows of the first matrix. */
  readonly rows: number;
  /** Rows of the second one. */
  readonly others: number;
  /** Codes of a row. */
  readonly cols: number;
  /** Places where both are not 0 and have the same sign, [row, other row]. */
  readonly agree: Int32Array;
  /** Places where both are not 0 and have different signs, [row, other row]. */
  readonly disagree: Int32Array;
  /** Codes that are not 0, of each row of the first matrix, [row]. */
  readonly nonzero: Int32Array;
  /** The same of the second one, [other row]. */
  readonly otherNonzero: Int32Array;
}

/** Numbers of a product that are held at a time. */
const PART = 1 << 22;

/**
 * Codes -1, 0, 1 as a plane of the places that are +1 and a plane of those that are -1, packed to bits. Two rows are compared with four popcounts a word instead of a
 * multiplication a code.
 */
export class TritPlanes {
  /** Number of rows. */
  readonly rows: number;
  /** Codes of a row. */
  readonly cols: number;
  /** How many codes are +1, of each row. */
  readonly plus: Int32Array;
  /** How many codes are -1, of each row. */
  readonly minus: Int32Array;
  readonly #core: Core;
  /** Rows of the plane of +1, then those of the plane of -1. */
  readonly #bytes: Uint8Array;

  /** @throws E_SHAPE when the codes do not fit, E_FORMAT for numbers that are no codes. */
  constructor(codes: Int8Array, rows: number, cols: number, { core = defaultCore() }: { readonly core?: Core } = {}) {
    requireLength("the codes", rows * cols, codes.length);
    this.#core = core;
    [this.rows, this.cols] = [rows, cols];
    [this.plus, this.minus] = [new Int32Array(rows), new Int32Array(rows)];
    const planes = new Int8Array(2 * codes.length).fill(-1);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) continue;
      if (code !== 1 && code !== -1) throw new TritlensError("E_FORMAT", "a number is no code", { expected: "-1, 0 or 1", found: String(code) });
      const row = Math.floor(i / cols);
      if (code > 0) this.plus[row]++;
      else this.minus[row]++;
      planes[code > 0 ? i : codes.length + i] = 1;
    }
    this.#bytes = new Uint8Array(core.packedBytes("binary", 2 * rows, cols));
    core.packCodes("binary", planes, 2 * rows, cols, 1, this.#bytes);
  }

  /** Counts of every row with every row of another matrix. @throws E_SHAPE for rows of another length. */
  compare(other: TritPlanes): TritCounts {
    requireShape("the other rows", [this.cols], [other.cols]);
    const [n, m] = [this.rows, other.rows];
    const [agree, disagree] = [new Int32Array(n * m), new Int32Array(n * m)];
    const step = Math.max(1, Math.floor(PART / (2 * m)));
    for (let first = 0; first < n; first += step) {
      const count = Math.min(step, n - first);
      const at = first * m;
      const plus = this.#common(other, first, count, this.plus);
      const minus = this.#common(other, n + first, count, this.minus);
      for (let i = 0; i < count; i++)
        for (let j = 0; j < m; j++) {
          const [same, crossed] = [i * 2 * m + j, i * 2 * m + m + j];
          agree[at + i * m + j] = plus[same] + minus[crossed];
          disagree[at + i * m + j] = plus[crossed] + minus[same];
        }
    }
    const nonzero = (planes: TritPlanes): Int32Array => planes.plus.map((x, i) => x + planes.minus[i]);
    return { rows: n, others: m, cols: this.cols, agree, disagree, nonzero: nonzero(this), otherNonzero: nonzero(other) };
  }

  /** Bits that rows of one of the planes have in common with the rows of both planes of the other matrix, [count, 2 other rows]. */
  #common(other: TritPlanes, first: number, count: number, ones: Int32Array): Int32Array {
    const { cols } = this;
    const width = 2 * other.rows;
    const bytes = this.#bytes.length / (2 * this.rows);
    const out = new Int32Array(count * width);
    this.#core.binaryMatmul(other.#bytes, width, cols, this.#bytes.subarray(first * bytes, (first + count) * bytes), count, out);
    const start = first % this.rows;
    for (let i = 0; i < count; i++)
      for (let j = 0; j < width; j++) {
        const at = i * width + j;
        const others = j < other.rows ? other.plus[j] : other.minus[j - other.rows];
        // The product of signs is the number of equal bits less that of different ones; bits in common follow from it and from both counts.
        out[at] = (ones[start + i] + others - (cols - out[at]) / 2) / 2;
      }
    return out;
  }
}
