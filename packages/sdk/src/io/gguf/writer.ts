/** Writes GGUF files (version 3, little-endian), one tensor in memory at a time, laid out as gguf-py lays them out. */
import { nearestNames, TritlensError } from "../../core/errors.ts";
import { type Piece, type WriteOptions, type WriteTarget, writePieces } from "../sink.ts";
import { FIXED, type FixedType, MAX_KEY } from "./metadata.ts";
import { alignmentOf, MAX_DIMS, MAX_NAME } from "./reader.ts";
import { type GgmlType, ggmlBytes, ggmlTypeNamed, ggmlTypeNames } from "./types.ts";
import { type GgufMetadata, type GgufNumbers, type GgufStrings, type GgufValue, VALUE_TYPES } from "./values.ts";

/** A tensor to write. */
export interface GgufItem {
  /** At most 64 bytes of UTF-8, without NUL. */
  readonly name: string;
  /** ggml's name of its type: `F32`, `TQ2_0`, ... */
  readonly type: string;
  /** Extents, outermost first: [rows, cols]. */
  readonly shape: readonly number[];
  /** Its blocks. Asked for once, when its turn has come. */
  readonly data: () => Promise<Uint8Array> | Uint8Array;
}

/** What a file holds, in the order in which it is written. */
export interface GgufContent {
  /** `general.alignment` is obeyed; without it tensors begin at multiples of 32. */
  readonly metadata: GgufMetadata;
  /** Gone through once. */
  readonly tensors: Iterable<GgufItem>;
}

/**
 * Writes a GGUF file.
 *
 * @returns Bytes written.
 * @throws E_NAME for a type that ggml has not, and for names that are used twice, too long (keys 65535 bytes, tensors 64) or hold NUL; E_RANGE for a value
 * outside of its type; E_SHAPE for shapes that are no whole blocks or have more than 4 extents, and for data of another length; E_IO, E_ABORTED. A path then
 * holds what it held before.
 */
export async function writeGguf(target: WriteTarget, { metadata, tensors }: GgufContent, options: WriteOptions = {}): Promise<number> {
  const alignment = alignmentOf(metadata);
  const list = [...tensors].map((item) => describe(item));
  const bytes = new Bytes();
  bytes.text("GGUF");
  bytes.u32(3);
  bytes.u64(list.length);
  bytes.u64(metadata.size);
  for (const [key, value] of metadata) writeEntry(bytes, key, value);
  writeTable(bytes, list, alignment);
  const header = bytes.finish(alignment);
  const pieces: Piece[] = [{ what: "the header", byteLength: header.byteLength, padding: 0, data: () => header }];
  for (const { item, byteLength } of list)
    pieces.push({ what: `tensor "${item.name}"`, byteLength, padding: padding(byteLength, alignment), data: item.data });
  return writePieces(target, pieces, options);
}

interface Described {
  readonly item: GgufItem;
  readonly type: GgmlType;
  readonly byteLength: number;
}

function describe(item: GgufItem): Described {
  const type = ggmlTypeNamed(item.type);
  if (!type) {
    const nearest = nearestNames(item.type, ggmlTypeNames()).join(", ");
    throw new TritlensError("E_NAME", `type of tensor "${item.name}"`, { expected: "a type of ggml", found: item.type, nearest });
  }
  const byteLength = ggmlBytes(type, item.shape);
  if (byteLength === undefined || item.shape.length > MAX_DIMS)
    throw new TritlensError("E_SHAPE", `shape of tensor "${item.name}"`, {
      expected: `at most ${MAX_DIMS} extents and rows of whole blocks of ${type.block} for ${type.name}`,
      found: `[${item.shape.join(", ")}]`,
    });
  return { item, type, byteLength };
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

function writeTable(bytes: Bytes, list: readonly Described[], alignment: number): void {
  const names = new Set<string>();
  let offset = 0;
  for (const { item, type, byteLength } of list) {
    if (names.has(item.name)) throw new TritlensError("E_NAME", `tensor "${item.name}"`, { expected: "a name of its own", found: "it twice" });
    names.add(item.name);
    bytes.name("tensor", item.name, MAX_NAME);
    bytes.u32(item.shape.length);
    for (const d of [...item.shape].reverse()) bytes.u64(d);
    bytes.u32(type.id);
    bytes.u64(offset);
    offset += byteLength + padding(byteLength, alignment);
  }
}

function writeEntry(bytes: Bytes, key: string, found: GgufValue): void {
  if (key === "") throw new TritlensError("E_NAME", "a key of the metadata", { expected: "a name", found: "an empty one" });
  bytes.name("key", key, MAX_KEY);
  bytes.u32(VALUE_TYPES.indexOf(found.type));
  if (found.type === "ARRAY") writeArray(bytes, key, found.of, found.value);
  else if (found.type === "STRING") bytes.string(found.value);
  else bytes.raw(encode(key, found.type, [found.type === "BOOL" ? Number(found.value) : (found.value as number | bigint)]));
}

function writeArray(bytes: Bytes, key: string, of: FixedType | "STRING", value: GgufStrings | GgufNumbers): void {
  bytes.u32(VALUE_TYPES.indexOf(of));
  bytes.u64(value.length);
  if (of !== "STRING") {
    bytes.raw(encode(key, of, value as GgufNumbers));
    return;
  }
  for (let i = 0; i < value.length; i++) bytes.string((value as GgufStrings).bytes(i));
}

/** Values as the file has them. @throws E_RANGE for what the type cannot hold. */
function encode(key: string, type: FixedType, values: ArrayLike<number | bigint>): Uint8Array {
  const [size, kind] = FIXED[type];
  const out = new kind(new ArrayBuffer(size * values.length));
  const wide = out instanceof BigUint64Array || out instanceof BigInt64Array;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number | bigint;
    const whole = typeof value === "bigint" || Number.isSafeInteger(value);
    if (wide && whole) out[i] = BigInt(value);
    else if (!wide) out[i] = Number(value);
    const same = type === "FLOAT32" || type === "FLOAT64" ? !wide : whole && BigInt(out[i] as number | bigint) === BigInt(value);
    if (!same || (type === "BOOL" && Number(value) > 1))
      throw new TritlensError("E_RANGE", `metadata "${key}"`, { expected: `a value of ${type}`, found: String(value) });
  }
  // Typed arrays lie as the machine has them; every machine that JavaScript runs on is little-endian.
  return new Uint8Array(out.buffer);
}

/** A growing buffer. */
class Bytes {
  #bytes = new Uint8Array(4096);
  #length = 0;

  #room(count: number): DataView {
    if (this.#length + count > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(this.#length + count, 2 * this.#bytes.byteLength));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    const view = new DataView(this.#bytes.buffer, this.#length, count);
    this.#length += count;
    return view;
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.byteLength);
    this.#bytes.set(bytes, this.#length - bytes.byteLength);
  }

  u32(n: number): void {
    this.#room(4).setUint32(0, n, true);
  }

  u64(n: number): void {
    this.#room(8).setBigUint64(0, BigInt(n), true);
  }

  text(text: string): void {
    this.raw(new TextEncoder().encode(text));
  }

  /** A string with its length. */
  string(value: string | Uint8Array): void {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    this.u64(bytes.byteLength);
    this.raw(bytes);
  }

  name(what: string, name: string, most: number): void {
    const { byteLength } = new TextEncoder().encode(name);
    const wrong = name.includes("\0") || /[\ud800-\udfff]/u.test(name);
    if (byteLength > most || wrong)
      throw new TritlensError("E_NAME", `${what} "${name.slice(0, 80)}"`, {
        expected: `at most ${most} bytes of text without NUL`,
        found: wrong ? "NUL or half a character" : `${byteLength} bytes`,
      });
    this.string(name);
  }

  finish(alignment: number): Uint8Array {
    this.#room(padding(this.#length, alignment));
    return this.#bytes.subarray(0, this.#length);
  }
}
