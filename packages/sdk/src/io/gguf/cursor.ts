/** Reads the beginning of a source field by field, fetching as it goes. */
import { TritlensError } from "../../core/errors.ts";
import type { ByteSource } from "../source/source.ts";
import { decodeUtf8 } from "./values.ts";

/** First and further bytes to fetch at once. */
const [FIRST, STEP] = [1 << 16, 1 << 20];
/** Metadata and tensor table together; the bound that safetensors has. */
const MAX_HEADER = 100_000_000;

/** The error of a malformed file. */
export function bad(what: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_FORMAT", `malformed GGUF: ${what}`, { expected, found });
}

/** Everything read so far stays in one buffer, so that strings can be views into it. */
export class Cursor {
  readonly source: ByteSource;
  /** Position of the next field. */
  at = 0;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** Bytes that are there. */
  #filled = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** All bytes fetched so far. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Bytes of the file that are not read yet. */
  get left(): number {
    return this.source.size - this.at;
  }

  /** Whether the next `count` bytes are there already; if not, {@link need} fetches them. */
  has(count: number): boolean {
    return this.at + count <= this.#filled;
  }

  /** Makes the next `count` bytes available. @throws E_FORMAT when the file, or what a header may take, is shorter. */
  async need(count: number, what: string): Promise<void> {
    const end = this.at + count;
    if (end <= this.#filled) return;
    this.require(count, what);
    const step = this.#filled === 0 ? FIRST : STEP;
    const target = Math.min(this.source.size, Math.max(end, this.#filled + step));
    this.#grow(target);
    await this.source.read(this.#filled, this.#bytes.subarray(this.#filled, target));
    this.#filled = target;
  }

  /** Checks that the file holds `count` more bytes. */
  require(count: number, what: string): void {
    if (count > this.left) throw bad(`${what} at byte ${this.at}`, `${count} bytes`, `${this.left} bytes to the end of the file`);
    if (this.at + count > MAX_HEADER) throw bad(`${what} at byte ${this.at}`, `a header of at most ${MAX_HEADER} bytes`, `${this.at + count} bytes`);
  }

  #grow(size: number): void {
    if (size <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.min(this.source.size, Math.max(size, 2 * this.#bytes.byteLength)));
    grown.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** The next bytes, which must be there. Views stay valid: what was read is never overwritten. */
  take(count: number): Uint8Array {
    const from = this.at;
    this.at += count;
    return this.#bytes.subarray(from, this.at);
  }

  /** This field and the next must be there ({@link has}). */
  u32(): number {
    const n = this.#view.getUint32(this.at, true);
    this.at += 4;
    return n;
  }

  /** A 64-bit length or count as a number; above 2^53 it is inexact, and larger than any file. */
  length(): number {
    const low = this.#view.getUint32(this.at, true);
    const high = this.#view.getUint32(this.at + 4, true);
    this.at += 8;
    return high * 2 ** 32 + low;
  }

  /** Bytes behind a 64-bit length. */
  async string(what: string, most: number, note = "in the format"): Promise<Uint8Array> {
    if (!this.has(8)) await this.need(8, `the length of ${what}`);
    const length = this.length();
    this.require(length, what);
    if (length > most) throw bad(what, `at most ${most} bytes ${note}`, `${length} bytes`);
    if (!this.has(length)) await this.need(length, what);
    return this.take(length);
  }

  /** A name: UTF-8 without NUL, at which C programs would stop reading. */
  async name(what: string, most: number): Promise<string> {
    const text = decodeUtf8(await this.string(what, most));
    if (text === undefined) throw bad(what, "valid UTF-8", "other bytes");
    if (text.includes("\0")) throw bad(what, "a name without NUL", JSON.stringify(text.slice(0, 40)));
    return text;
  }
}
