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

/** A window that moves over the header: what was read is let go of, so that memory is a piece of the header and not all of it. */
export class Cursor {
  readonly source: ByteSource;
  /** Position of the next field. */
  at = 0;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** Positions of the window's first byte, and of the one behind its last. */
  #from = 0;
  #filled = 0;

  constructor(source: ByteSource) {
    this.source = source;
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
    const target = Math.min(this.source.size, Math.max(end, this.#filled + (this.#filled === 0 ? FIRST : STEP)));
    this.#grow(target - this.#from);
    await this.source.read(this.#filled, this.#bytes.subarray(this.#filled - this.#from, target - this.#from));
    this.#filled = target;
  }

  /** Checks that the file holds `count` more bytes. */
  require(count: number, what: string): void {
    if (count > this.left) throw bad(`${what} at byte ${this.at}`, `${count} bytes`, `${this.left} bytes to the end of the file`);
    if (this.at + count > MAX_HEADER) throw bad(`${what} at byte ${this.at}`, `a header of at most ${MAX_HEADER} bytes`, `${this.at + count} bytes`);
  }

  #grow(size: number): void {
    if (size <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(size, Math.ceil(1.25 * this.#bytes.byteLength)));
    grown.set(this.#bytes.subarray(0, this.#filled - this.#from));
    this.#use(grown);
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** Lets go of everything before here, if that is much. */
  forget(): void {
    if (this.at - this.#from < STEP) return;
    this.#use(this.#bytes.slice(this.at - this.#from, this.#filled - this.#from));
    this.#from = this.at;
  }

  /** What lies between `begin` and here, for keeping; `begin` must not have been forgotten. */
  claim(begin: number): Uint8Array {
    const bytes = this.#bytes.subarray(begin - this.#from, this.at - this.#from);
    // A small piece would keep the whole window alive.
    if (2 * bytes.byteLength < this.#bytes.byteLength) return bytes.slice();
    this.#use(this.#bytes.slice(this.at - this.#from, this.#filled - this.#from));
    this.#from = this.at;
    return bytes;
  }

  /** The next bytes, which must be there: a view, for reading at once. */
  take(count: number): Uint8Array {
    const from = this.at - this.#from;
    this.at += count;
    return this.#bytes.subarray(from, from + count);
  }

  /** This field and the next must be there ({@link has}). */
  u32(): number {
    const n = this.#view.getUint32(this.at - this.#from, true);
    this.at += 4;
    return n;
  }

  /** A 64-bit length or count as a number; above 2^53 it is inexact, and larger than any file. */
  length(): number {
    const low = this.#view.getUint32(this.at - this.#from, true);
    const high = this.#view.getUint32(this.at - this.#from + 4, true);
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
