/**
 * safetensors files (8-byte little-endian header length, JSON header, one contiguous payload), read as untrusted input: every length is checked
 * before it is used, nothing is allocated from a number in the file, names never become property names or file names.
 *
 * Policies where the format leaves room: leading whitespace and fields that the format does not define are refused; a rank above 64 and dimensions
 * above 2^53 are refused; an empty tensor name, BOOL bytes other than 0 and 1 (true), and NaN payloads are accepted.
 */
import { TritlensError } from "../core/errors.ts";
import { sizeOf, Tensor, type TensorData } from "../tensor/index.ts";
import { DTYPE_BYTES, decodeFloats, type StoredDType, storedDTypeOf } from "./dtype.ts";
import { type HeaderValue, parseHeader } from "./json.ts";

/** The reference implementation's bound on the header. */
const MAX_HEADER = 100_000_000;
const MAX_RANK = 64;

/** One tensor of a file. `bytes` is a view into the file's bytes and need not be aligned. */
export interface StoredTensor {
  /** Element type. */
  readonly dtype: StoredDType;
  /** Extents. */
  readonly shape: readonly number[];
  /** Row-major elements, little-endian. */
  readonly bytes: Uint8Array;
}

/** A parsed file. Maps, because names come from outside. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of the header. */
  readonly tensors: Map<string, StoredTensor>;
  /** Strings of `__metadata__`. */
  readonly metadata: Map<string, string>;
}

/**
 * Parses a safetensors file. The tensors are views: no payload is copied.
 *
 * @throws E_FORMAT naming the tensor and what was expected and found.
 */
export function parseSafetensors(file: Uint8Array): SafetensorsFile {
  const headerLength = readHeaderLength(file);
  const header = parseHeader(decodeUtf8(file.subarray(8, 8 + headerLength)));
  const metadata = readMetadata(header.get("__metadata__"));
  header.delete("__metadata__");
  const payload = file.subarray(8 + headerLength);
  const entries = [...header].map(([name, info]) => readEntry(name, info));
  checkContiguous(entries, payload.byteLength);
  const tensors = new Map(entries.map((e) => [e.name, { dtype: e.dtype, shape: e.shape, bytes: payload.subarray(e.begin, e.end) }]));
  return { tensors, metadata };
}

function readHeaderLength(file: Uint8Array): number {
  if (file.byteLength < 8) throw bad("the file", "at least 8 bytes", `${file.byteLength} bytes`);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  const most = BigInt(Math.min(MAX_HEADER, file.byteLength - 8));
  if (length < 2n || length > most) throw bad("the header's length", `2 to ${most}`, String(length));
  return Number(length);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.startsWith("{")) throw bad("the header", 'a leading "{"', JSON.stringify(text.slice(0, 8)));
    return text;
  } catch (error) {
    if (error instanceof TritlensError) throw error;
    throw bad("the header", "valid UTF-8", "other bytes");
  }
}

function readMetadata(value: HeaderValue | undefined): Map<string, string> {
  if (value === undefined) return new Map();
  if (!(value instanceof Map)) throw bad("__metadata__", "an object of strings", kindOf(value));
  for (const [key, v] of value) if (typeof v !== "string") throw bad(`__metadata__["${key}"]`, "a string", kindOf(v));
  return value as Map<string, string>;
}

interface Entry {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function readEntry(name: string, info: HeaderValue): Entry {
  const what = `tensor "${name}"`;
  if (!(info instanceof Map)) throw bad(what, "an object", kindOf(info));
  for (const key of info.keys())
    if (!["dtype", "shape", "data_offsets"].includes(key)) throw bad(what, "the fields dtype, shape, data_offsets", `"${key}"`);
  const dtype = info.get("dtype");
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPE_BYTES, dtype))
    throw bad(`dtype of ${what}`, Object.keys(DTYPE_BYTES).join(", "), kindOf(dtype));
  const shape = integers(info.get("shape"), `shape of ${what}`);
  if (shape.length > MAX_RANK) throw bad(`shape of ${what}`, `at most ${MAX_RANK} dimensions`, String(shape.length));
  const [begin, end, ...more] = integers(info.get("data_offsets"), `data_offsets of ${what}`);
  if (begin === undefined || end === undefined || more.length > 0 || begin > end)
    throw bad(`data_offsets of ${what}`, "[begin, end], begin <= end", kindOf(info.get("data_offsets")));
  const bytes = byteLength(shape, DTYPE_BYTES[dtype] as number, what);
  if (bytes !== end - begin) throw bad(`data_offsets of ${what}`, `${bytes} bytes for ${dtype} [${shape.join(", ")}]`, `${end - begin} bytes`);
  return { name, dtype: dtype as StoredDType, shape, begin, end };
}

function integers(value: HeaderValue | undefined, what: string): number[] {
  if (Array.isArray(value) && value.every((x) => typeof x === "number")) return value as number[];
  throw bad(what, "a list of whole numbers", kindOf(value));
}

/** Product of the dimensions in exact arithmetic; every partial product has to stay exact too, so [2^53, 2^53, 0] is refused. */
function byteLength(shape: readonly number[], size: number, what: string): number {
  let n = size;
  for (const d of shape) n = n * d > Number.MAX_SAFE_INTEGER || n < 0 ? -1 : n * d;
  if (n < 0) throw bad(`shape of ${what}`, "a size below 2^53 bytes", `[${shape.join(", ")}]`);
  return n;
}

/** Tensors must tile the payload exactly: no hole, no overlap, no byte left over. */
function checkContiguous(entries: readonly Entry[], payload: number): void {
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

function bad(what: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_FORMAT", `malformed safetensors: ${what}`, { expected, found });
}

/** A stored tensor as f32 (copied; F16 and BF16 exactly, wider types rounded). */
export function toTensor(stored: StoredTensor, axes?: readonly string[]): Tensor {
  return Tensor.from(decodeFloats(stored.dtype, stored.bytes), stored.shape, axes);
}

/**
 * Serialises tensors: wider element types first (so that every tensor is aligned), else in the order given; the header is padded to 8 bytes.
 *
 * @param tensors - Name and tensor; the element type is that of the typed array.
 * @param metadata - Strings for `__metadata__`.
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, Tensor<TensorData>]>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const list = [...tensors].map(([name, t]) => ({ name, shape: t.shape, data: t.data }));
  list.sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header = headerText(list, metadata);
  const payload = list.reduce((n, t) => n + t.data.byteLength, 0);
  const out = new Uint8Array(8 + header.byteLength + payload);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.byteLength), true);
  out.set(header, 8);
  let at = 8 + header.byteLength;
  for (const { data } of list) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

/** The header is written piece by piece, because an object would lose a key `__proto__`. */
function headerText(
  list: readonly { name: string; shape: readonly number[]; data: TensorData }[],
  metadata: ReadonlyMap<string, string>,
): Uint8Array {
  let at = 0;
  const entries = list.map(({ name, shape, data }) => {
    if (sizeOf(shape) !== data.length) throw bad(`tensor "${name}"`, `${sizeOf(shape)} elements`, String(data.length));
    const begin = at;
    at += data.byteLength;
    return `${JSON.stringify(name)}:{"dtype":"${storedDTypeOf(data)}","shape":[${shape.join(",")}],"data_offsets":[${begin},${at}]}`;
  });
  const meta = [...metadata].map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`);
  if (meta.length > 0) entries.unshift(`"__metadata__":{${meta.join(",")}}`);
  const bytes = new TextEncoder().encode(`{${entries.join(",")}}`);
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 8) * 8).fill(0x20);
  padded.set(bytes);
  return padded;
}
