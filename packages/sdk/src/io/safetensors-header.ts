/**
 * The header of a safetensors file, for files in memory and files that are read piece by piece: every length is checked before it is used, nothing is
 * allocated from a number in the file, names never become property names or file names. Policies where the format leaves room are in
 * docs/guides/formats.md.
 */
import { TritlensError } from "../core/errors.ts";
import { DTYPE_BYTES, type StoredDType } from "./dtype.ts";
import { type HeaderValue, visitHeader } from "./json.ts";
import { refuseOther } from "./magic.ts";

/** The reference implementation's bound on the header. */
const MAX_HEADER = 100_000_000;
const MAX_RANK = 64;

/** A tensor's place. `begin` and `end` count from the first byte behind the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Bytes of the JSON header.
 *
 * @param head - The first bytes of the file, 64 or more where there are as many.
 * @param size - Bytes of the whole file.
 * @throws E_FORMAT; what the file is instead, where that can be seen.
 */
export function headerLength(head: Uint8Array, size: number): number {
  if (size < 8) throw bad("the file", "at least 8 bytes", `${size} bytes`);
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  const most = BigInt(Math.min(MAX_HEADER, size - 8));
  if (length >= 2n && length <= most && head[8] === 0x7b) return Number(length);
  refuseOther(head, "safetensors");
  if (length < 2n || length > most) throw bad("the header's length", `2 to ${most}`, String(length));
  throw bad("the header", 'a leading "{"', `byte 0x${(head[8] as number).toString(16).padStart(2, "0")}`);
}

/**
 * Checks a header.
 *
 * @param header - Its bytes, without the length field.
 * @param payload - Bytes behind it.
 * @throws E_FORMAT naming the tensor and what was expected and found.
 */
export function readHeader(header: Uint8Array, payload: number): { entries: HeaderEntry[]; metadata: Map<string, string> } {
  let metadata = new Map<string, string>();
  const entries: HeaderEntry[] = [];
  let bytes = 0;
  visitHeader(decodeUtf8(header), (name, value) => {
    if (name === "__metadata__") {
      metadata = readMetadata(value);
      return;
    }
    const entry = readEntry(name, value);
    bytes += entry.end - entry.begin;
    // Checked at once: a small file may claim very many tensors.
    if (bytes > payload) throw bad(`data_offsets of tensor "${name}"`, `${payload} bytes for all tensors (no overlap)`, `${bytes} bytes up to here`);
    entries.push(entry);
  });
  checkContiguous(entries, payload);
  return { entries, metadata };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw bad("the header", "valid UTF-8", "other bytes");
  }
}

function readMetadata(value: HeaderValue): Map<string, string> {
  if (!(value instanceof Map)) throw bad("__metadata__", "an object of strings", kindOf(value));
  for (const [key, v] of value) if (typeof v !== "string") throw bad(`__metadata__["${key}"]`, "a string", kindOf(v));
  return value as Map<string, string>;
}

const FIELDS: readonly string[] = ["dtype", "shape", "data_offsets"];

/** Messages are put together only when something is wrong: a header may have 10^5 entries. */
function readEntry(name: string, info: HeaderValue): HeaderEntry {
  if (!(info instanceof Map)) throw bad(`tensor "${name}"`, "an object", kindOf(info));
  for (const key of info.keys()) if (!FIELDS.includes(key)) throw bad(`tensor "${name}"`, `the fields ${FIELDS.join(", ")}`, `"${key}"`);
  const dtype = info.get("dtype");
  const shape = info.get("shape");
  const offsets = info.get("data_offsets");
  if (typeof dtype !== "string") throw bad(`dtype of tensor "${name}"`, Object.keys(DTYPE_BYTES).join(", "), kindOf(dtype));
  if (!isIntegers(shape)) throw bad(`shape of tensor "${name}"`, "a list of whole numbers", kindOf(shape));
  const bytes = bytesOfTensor(name, dtype, shape);
  if (!isIntegers(offsets)) throw bad(`data_offsets of tensor "${name}"`, "a list of whole numbers", kindOf(offsets));
  const begin = offsets[0];
  const end = offsets[1];
  if (offsets.length !== 2 || begin === undefined || end === undefined || begin > end)
    throw bad(`data_offsets of tensor "${name}"`, "[begin, end], begin <= end", kindOf(offsets));
  if (bytes !== end - begin)
    throw bad(`data_offsets of tensor "${name}"`, `${bytes} bytes for ${dtype} [${shape.join(", ")}]`, `${end - begin} bytes`);
  return { name, dtype: dtype as StoredDType, shape, begin, end };
}

function isIntegers(value: HeaderValue | undefined): value is number[] {
  return Array.isArray(value) && value.every(isNumber);
}

function isNumber(value: HeaderValue): value is number {
  return typeof value === "number";
}

/** Bytes of a tensor. @throws E_FORMAT for an unknown element type, a rank above 64, or a size that is not exact in a double. */
export function bytesOfTensor(name: string, dtype: string, shape: readonly number[]): number {
  if (!Object.hasOwn(DTYPE_BYTES, dtype)) throw bad(`dtype of tensor "${name}"`, Object.keys(DTYPE_BYTES).join(", "), kindOf(dtype));
  if (shape.length > MAX_RANK) throw bad(`shape of tensor "${name}"`, `at most ${MAX_RANK} dimensions`, String(shape.length));
  // Every partial product has to be exact, so [2^53, 2^53, 0] is refused.
  let bytes = DTYPE_BYTES[dtype] as number;
  for (const d of shape) bytes = Number.isSafeInteger(d) && d >= 0 && bytes * d <= Number.MAX_SAFE_INTEGER ? bytes * d : Number.NaN;
  if (Number.isNaN(bytes)) throw bad(`shape of tensor "${name}"`, "a size below 2^53 bytes", `[${shape.join(", ")}]`);
  return bytes;
}

/**
 * Length field and header of a file that holds these tensors one behind the other; padded with spaces to 8 bytes. The JSON is written piece by piece,
 * because an object would lose a key `__proto__`.
 */
export function headerBytes(
  tensors: Iterable<{ readonly name: string; readonly dtype: StoredDType; readonly shape: readonly number[] }>,
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  let at = 0;
  const fields: string[] = [];
  if (metadata.size > 0) fields.push(`"__metadata__":{${[...metadata].map(([k, v]) => `${literal(k)}:${literal(v)}`).join(",")}}`);
  for (const { name, dtype, shape } of tensors) {
    const end = at + bytesOfTensor(name, dtype, shape);
    fields.push(`${literal(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${at},${end}]}`);
    at = end;
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const out = new Uint8Array(8 + Math.ceil(text.byteLength / 8) * 8).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(out.byteLength - 8), true);
  out.set(text, 8);
  return out;
}

/** A JSON string. Half a surrogate pair has no bytes in UTF-8, so no reader would take it. */
function literal(text: string): string {
  if (/[\ud800-\udfff]/u.test(text)) throw bad("a name", "well-formed text", JSON.stringify(text));
  return JSON.stringify(text);
}

/** Tensors must tile the payload exactly: no hole, no overlap, no byte left over. */
function checkContiguous(entries: readonly HeaderEntry[], payload: number): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of sorted) {
    if (begin !== at) throw bad(`data_offsets of tensor "${name}"`, `begin at ${at} (no hole, no overlap)`, String(begin));
    at = end;
  }
  if (at !== payload) throw bad("the payload", `${at} bytes as the header says`, `${payload} bytes`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value instanceof Map) return "an object";
  return Array.isArray(value) ? `a list of ${value.length}` : JSON.stringify(value).slice(0, 40);
}

/** The error of a malformed file. */
export function bad(what: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_FORMAT", `malformed safetensors: ${what}`, { expected, found });
}
