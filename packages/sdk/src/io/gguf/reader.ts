/**
 * GGUF files (version 3, and 2, which has the same layout; little-endian), read as untrusted input. Only the header is read, piece by piece: the payload
 * stays where it is. Policies where the format leaves room are in docs/guides/formats.md.
 */
import { TritlensError } from "../../core/errors.ts";
import { firstBytes, refuseOther } from "../magic.ts";
import { openSource, type SourceInput } from "../source/open.ts";
import type { ByteSource, SourceOptions } from "../source/source.ts";
import { bad, Cursor } from "./cursor.ts";
import { MIN_ENTRY, readMetadata } from "./metadata.ts";
import { type GgmlType, ggmlBytes, ggmlTypeOf, goneType } from "./types.ts";
import type { GgufMetadata } from "./values.ts";

/** Where a tensor of a GGUF file lies. */
export interface GgufTensorInfo {
  /** At most 64 bytes of UTF-8. */
  readonly name: string;
  /** ggml's name of its type: `F32`, `TQ2_0`, ... */
  readonly type: string;
  /** Extents, outermost first (the file has them innermost first): a matrix is [rows, cols]. */
  readonly shape: readonly number[];
  /** The file. */
  readonly source: ByteSource;
  /** Position of its first byte in the file. */
  readonly offset: number;
  /** Bytes of all of its blocks. */
  readonly byteLength: number;
}

/** An open GGUF file. */
export interface Gguf {
  /** 2 or 3. */
  readonly version: number;
  /** In the file's order. */
  readonly metadata: GgufMetadata;
  /** In the file's order. */
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Tensors begin at multiples of it. */
  readonly alignment: number;
  /** The file. */
  readonly source: ByteSource;
  /** Closes the file. Safe to call twice. */
  close(): Promise<void>;
}

/** The format's bounds on bytes of names and on extents. */
export const MAX_NAME = 64;
export const MAX_DIMS = 4;
/** Least bytes of a tensor's entry: length of the name, count of dimensions, type, offset. */
const MIN_TENSOR = 24;

/**
 * Opens a GGUF file without reading any tensor.
 *
 * @throws E_FORMAT for a malformed file (naming the key or tensor) and other formats (saying which); E_IO; E_ABORTED.
 */
export async function openGguf(input: SourceInput, options: SourceOptions = {}): Promise<Gguf> {
  const source = await openSource(input, options);
  try {
    return await readGguf(source);
  } catch (error) {
    // A source that the caller opened is the caller's to close.
    if (source !== input) await source.close();
    throw error;
  }
}

async function readGguf(source: ByteSource): Promise<Gguf> {
  const cursor = new Cursor(source);
  const version = await readVersion(cursor);
  await cursor.need(16, "the counts");
  const [tensorCount, keyCount] = [cursor.length(), cursor.length()];
  requireCount(cursor, keyCount, MIN_ENTRY, "keys");
  requireCount(cursor, tensorCount, MIN_TENSOR, "tensors");
  const metadata = await readMetadata(cursor, keyCount);
  const alignment = alignmentOf(metadata);
  const entries = await readEntries(cursor, tensorCount);
  const start = pad(cursor.at, alignment);
  const tensors = new Map<string, GgufTensorInfo>();
  for (const { name, type, shape, offset, byteLength } of entries)
    tensors.set(name, { name, type: type.name, shape, source, offset: start + offset, byteLength });
  checkPlaces(tensors, start, alignment);
  return { version, metadata, tensors, alignment, source, close: () => source.close() };
}

async function readVersion(cursor: Cursor): Promise<number> {
  const { size } = cursor.source;
  if (size < 8) throw bad("the file", "at least 24 bytes", `${size} bytes`);
  const first = Math.min(64, size);
  await cursor.need(first, "the magic");
  const head = cursor.take(first);
  cursor.at = 4;
  if (String.fromCharCode(...head.subarray(0, 4)) !== "GGUF") {
    refuseOther(head, "GGUF");
    throw bad("the magic", '"GGUF"', firstBytes(head));
  }
  const version = cursor.u32();
  if (version === 3 || version === 2) return version;
  if (version === 0x03000000 || version === 0x02000000) throw bad("the version", "a little-endian file", "a big-endian one");
  throw bad("the version", "3 or 2", String(version));
}

function requireCount(cursor: Cursor, count: number, least: number, what: string): void {
  if (count * least > cursor.left)
    throw bad(`the count of ${what}`, `at most ${Math.floor(cursor.left / least)} in a file of this size`, String(count));
}

/** A power of two, as ggml demands, that is a multiple of 8, as the format does; more than 4096 is only padding. */
export function alignmentOf(metadata: GgufMetadata): number {
  const found = metadata.get("general.alignment");
  if (found === undefined) return 32;
  if (found.type !== "UINT32") throw bad("general.alignment", "UINT32", found.type);
  const n = found.value;
  if (n < 8 || n > 4096 || (n & (n - 1)) !== 0) throw bad("general.alignment", "a power of two from 8 to 4096", String(n));
  return n;
}

interface Entry {
  readonly name: string;
  readonly type: GgmlType;
  readonly shape: readonly number[];
  /** From the beginning of the payload. */
  readonly offset: number;
  readonly byteLength: number;
}

async function readEntries(cursor: Cursor, count: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const entry = await readEntry(cursor, `the name of tensor ${i}`);
    if (names.has(entry.name)) throw bad(`tensor ${i}`, "a name that was not used before", `"${entry.name}" again`);
    names.add(entry.name);
    entries.push(entry);
  }
  return entries;
}

async function readEntry(cursor: Cursor, which: string): Promise<Entry> {
  const name = await cursor.name(which, MAX_NAME);
  const what = `tensor "${name}"`;
  await cursor.need(4, what);
  const rank = cursor.u32();
  if (rank > MAX_DIMS) throw bad(`dimensions of ${what}`, `at most ${MAX_DIMS}`, String(rank));
  await cursor.need(8 * rank + 12, what);
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) shape.unshift(cursor.length());
  const id = cursor.u32();
  const type = ggmlTypeOf(id);
  if (!type) throw bad(`type of ${what}`, "a type of ggml", goneType(id));
  const byteLength = ggmlBytes(type, shape);
  if (byteLength === undefined)
    throw bad(`shape of ${what}`, `rows of whole blocks of ${type.block} for ${type.name}, and a size below 2^53`, `[${shape.join(", ")}]`);
  return { name, type, shape, offset: cursor.length(), byteLength };
}

function pad(n: number, alignment: number): number {
  return Math.ceil(n / alignment) * alignment;
}

/**
 * Every tensor must begin at an aligned place, lie in the file, and share no byte with another. Holes between them and bytes behind the last are nobody's;
 * tensors without elements may point anywhere.
 */
function checkPlaces(tensors: Map<string, GgufTensorInfo>, start: number, alignment: number): void {
  const used: GgufTensorInfo[] = [];
  for (const tensor of tensors.values()) {
    const { name, offset, byteLength, source } = tensor;
    const from = offset - start;
    if (from % alignment !== 0) throw bad(`offset of tensor "${name}"`, `a multiple of ${alignment}`, String(from));
    if (byteLength === 0) tensors.set(name, { ...tensor, offset: Math.min(offset, source.size) });
    else if (offset + byteLength <= source.size) used.push(tensor);
    else throw bad(`tensor "${name}"`, `bytes ${offset} to ${offset + byteLength}`, `a file of ${source.size} bytes`);
  }
  used.sort((a, b) => a.offset - b.offset);
  for (const [i, { name, offset }] of used.entries()) {
    const before = used[i - 1];
    const end = before ? before.offset + before.byteLength : start;
    if (offset < end) throw bad(`offset of tensor "${name}"`, `${end - start} or more, behind "${before?.name}"`, String(offset - start));
  }
}

/**
 * Refuses files that open, but hold what this library cannot run: weights that PrismML's Bonsai 2 stores rotated, and parts of split files.
 *
 * @throws E_FORMAT.
 */
export function requireWholeAndPlain({ metadata, tensors, source }: Gguf): void {
  const rotated = [...tensors.values()].find(({ type }) => type === "PQ2_0" || type === "PTQ1_0");
  const key = [...metadata.keys()].find((name) => name.startsWith("prism.hadamard"));
  if (rotated || key)
    throw new TritlensError(
      "E_FORMAT",
      `${source.name}: rotated weights (Bonsai 2) are not supported: activations would need a Walsh-Hadamard transform`,
      {
        expected: "weights that are stored as they are multiplied (Bonsai of the first generation: Q1_0, Q2_0)",
        found: rotated ? `${rotated.type} in tensor "${rotated.name}"` : `metadata "${key}"`,
      },
    );
  const parts = metadata.get("split.count");
  if (parts !== undefined && Number(parts.value) > 1)
    throw new TritlensError("E_FORMAT", `${source.name}: one part of a split file`, {
      expected: "one file (llama-gguf-split --merge)",
      found: `${String(parts.value)} parts`,
    });
}
