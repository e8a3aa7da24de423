/** Reads the metadata of a GGUF file. */
import { bad, type Cursor } from "./cursor.ts";
import { decodeUtf8, type GgufNumbers, GgufStrings, type GgufType, type GgufValue, VALUE_TYPES } from "./values.ts";

/** The format's bound on keys. */
export const MAX_KEY = 65_535;
/** Our bound on one string; chat templates have some 10 KB. */
const MAX_STRING = 1 << 24;

/** Types of one width. */
export type FixedType = Exclude<GgufType, "STRING" | "ARRAY">;

/** Least bytes that a key and its value take: length, one byte, type, one byte. */
export const MIN_ENTRY = 14;

/** Bytes and constructor of the types of one width. */
export const FIXED: Readonly<Record<FixedType, readonly [bytes: number, array: new (buffer: ArrayBuffer) => GgufNumbers]>> = {
  UINT8: [1, Uint8Array],
  INT8: [1, Int8Array],
  UINT16: [2, Uint16Array],
  INT16: [2, Int16Array],
  UINT32: [4, Uint32Array],
  INT32: [4, Int32Array],
  FLOAT32: [4, Float32Array],
  BOOL: [1, Uint8Array],
  UINT64: [8, BigUint64Array],
  INT64: [8, BigInt64Array],
  FLOAT64: [8, Float64Array],
};

/** Reads `count` pairs. @throws E_FORMAT. */
export async function readMetadata(cursor: Cursor, count: number): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = await cursor.name(`key ${i}`, MAX_KEY);
    if (key === "") throw bad(`key ${i}`, "a name", "an empty one");
    if (metadata.has(key)) throw bad(`key ${i}`, "a key that was not used before", `"${key}" again`);
    metadata.set(key, await readValue(cursor, `the value of "${key}"`));
    cursor.forget();
  }
  return metadata;
}

async function readType(cursor: Cursor, what: string): Promise<GgufType> {
  if (!cursor.has(4)) await cursor.need(4, `the type of ${what}`);
  const id = cursor.u32();
  const type = VALUE_TYPES[id];
  if (type === undefined) throw bad(`the type of ${what}`, `0 to ${VALUE_TYPES.length - 1}`, String(id));
  return type;
}

async function readValue(cursor: Cursor, what: string): Promise<GgufValue> {
  const type = await readType(cursor, what);
  if (type === "ARRAY") return readArray(cursor, what);
  if (type === "STRING") {
    const bytes = await cursor.string(what, MAX_STRING, "(a limit of this library)");
    return { type, value: decodeUtf8(bytes) ?? bytes.slice() };
  }
  const [size] = FIXED[type];
  if (!cursor.has(size)) await cursor.need(size, what);
  const array = numbers(type, cursor.take(size), what);
  const value = array[0] as number | bigint;
  if (type === "BOOL") return { type, value: value === 1 };
  if (type === "UINT64" || type === "INT64") return { type, value: exact(value as bigint) };
  return { type, value: value as number };
}

/** A number where a double holds the integer exactly. */
function exact(n: bigint): number | bigint {
  return n <= BigInt(Number.MAX_SAFE_INTEGER) && n >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(n) : n;
}

/** Elements in memory of their own (in the file they are unaligned). */
function numbers(type: FixedType, bytes: Uint8Array, what: string): GgufNumbers {
  if (type === "BOOL") {
    const wrong = bytes.find((b) => b > 1);
    if (wrong !== undefined) throw bad(what, "0 or 1 for a boolean", String(wrong));
  }
  return new FIXED[type][1](new Uint8Array(bytes).buffer);
}

async function readArray(cursor: Cursor, what: string): Promise<GgufValue> {
  const of = await readType(cursor, `the elements of ${what}`);
  if (of === "ARRAY") throw bad(what, "an array that does not nest (a limit of this library)", "an array of arrays");
  if (!cursor.has(8)) await cursor.need(8, `the length of ${what}`);
  const count = cursor.length();
  // A string takes 8 bytes at least. So nothing is allocated that the file could not hold.
  cursor.require(count * (of === "STRING" ? 8 : FIXED[of][0]), what);
  if (of === "STRING") return { type: "ARRAY", of, value: await readStrings(cursor, count, what) };
  const bytes = count * FIXED[of][0];
  if (!cursor.has(bytes)) await cursor.need(bytes, what);
  return { type: "ARRAY", of, value: numbers(of, cursor.take(bytes), what) };
}

async function readStrings(cursor: Cursor, count: number, what: string): Promise<GgufStrings> {
  cursor.forget();
  const begin = cursor.at;
  const bounds = new Uint32Array(2 * count);
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.need(8, what);
    const length = cursor.length();
    if (!cursor.has(length)) await cursor.need(length, what);
    bounds[2 * i] = cursor.at - begin;
    cursor.at += length;
    bounds[2 * i + 1] = cursor.at - begin;
  }
  // The lengths lie between the strings, and stay there.
  return new GgufStrings(cursor.claim(begin), bounds);
}
