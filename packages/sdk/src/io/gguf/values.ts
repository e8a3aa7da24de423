/** Values of GGUF metadata, with the types they have in the file. */
import { TritlensError } from "../../core/errors.ts";

/** Types of 1 to 4 bytes and f64, whose values are JavaScript numbers. */
export type GgufSmallType = "UINT8" | "INT8" | "UINT16" | "INT16" | "UINT32" | "INT32" | "FLOAT32" | "FLOAT64";

/** A type of values. */
export type GgufType = GgufSmallType | "UINT64" | "INT64" | "BOOL" | "STRING" | "ARRAY";

/** Types in the order of their numbers in the file. */
export const VALUE_TYPES: readonly GgufType[] = [
  "UINT8",
  "INT8",
  "UINT16",
  "INT16",
  "UINT32",
  "INT32",
  "FLOAT32",
  "BOOL",
  "STRING",
  "ARRAY",
  "UINT64",
  "INT64",
  "FLOAT64",
];

/** What an array's numbers come as; booleans as bytes of 0 and 1. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A value of some type. */
export interface GgufTyped<T extends GgufType, V> {
  /** Its type in the file. */
  readonly type: T;
  /** The value. */
  readonly value: V;
}

/** An array, all of whose elements have one type. */
export interface GgufArray<T extends GgufType, V> extends GgufTyped<"ARRAY", V> {
  /** Type of the elements in the file. */
  readonly of: T;
}

/**
 * A value. 64-bit integers are numbers where a double holds them exactly. A string is text when its bytes are UTF-8, else the bytes (tokens of some
 * vocabularies are no text). Arrays do not nest.
 */
export type GgufValue =
  | GgufTyped<GgufSmallType, number>
  | GgufTyped<"UINT64" | "INT64", number | bigint>
  | GgufTyped<"BOOL", boolean>
  | GgufTyped<"STRING", string | Uint8Array>
  | GgufArray<"STRING", GgufStrings>
  | GgufArray<GgufSmallType | "UINT64" | "INT64" | "BOOL", GgufNumbers>;

/** Metadata of a file by key, in the file's order. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The text of bytes, or undefined when they are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Many strings in one buffer (a vocabulary has 10^5), decoded when they are asked for. */
export class GgufStrings implements Iterable<string> {
  /** How many. */
  readonly length: number;
  readonly #bytes: Uint8Array;
  /** Begin and end of each. */
  readonly #bounds: Uint32Array;

  /** @param bounds - Begin and end of each string in `bytes`, one pair after the other. */
  constructor(bytes: Uint8Array, bounds: Uint32Array) {
    this.#bytes = bytes;
    this.#bounds = bounds;
    this.length = bounds.length / 2;
  }

  /** Strings or bytes, as a writer wants them. */
  static from(items: Iterable<string | Uint8Array>): GgufStrings {
    const encoder = new TextEncoder();
    const parts = Array.from(items, (item) => (typeof item === "string" ? encoder.encode(item) : item));
    const bytes = new Uint8Array(parts.reduce((n, p) => n + p.byteLength, 0));
    const bounds = new Uint32Array(parts.length * 2);
    let at = 0;
    for (const [i, part] of parts.entries()) {
      bytes.set(part, at);
      bounds[2 * i] = at;
      at += part.byteLength;
      bounds[2 * i + 1] = at;
    }
    return new GgufStrings(bytes, bounds);
  }

  /** Bytes of one string: a view. @throws E_RANGE. */
  bytes(i: number): Uint8Array {
    if (!Number.isInteger(i) || i < 0 || i >= this.length)
      throw new TritlensError("E_RANGE", "a string of an array", { expected: `0 to ${this.length - 1}`, found: String(i) });
    return this.#bytes.subarray(this.#bounds[2 * i], this.#bounds[2 * i + 1]);
  }

  /** One string; bytes that are no UTF-8 show as U+FFFD. @throws E_RANGE. */
  at(i: number): string {
    return lossy.decode(this.bytes(i));
  }

  /** All strings, decoded as {@link GgufStrings.at} does. */
  *[Symbol.iterator](): Iterator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

function wrongType(key: string, expected: string, { type, ...rest }: GgufValue): TritlensError {
  const found = "of" in rest ? `an array of ${rest.of}` : type;
  return new TritlensError("E_FORMAT", `metadata "${key}"`, { expected, found });
}

/** A number of any width. @returns undefined when the key is missing. @throws E_FORMAT when it is no number, or too large to be exact. */
export function ggufNumber(metadata: GgufMetadata, key: string): number | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (typeof found.value === "number") return found.value;
  throw wrongType(key, typeof found.value === "bigint" ? "a number below 2^53" : "a number", found);
}

/** An integer of any width, at least 0. @returns undefined when the key is missing. @throws E_FORMAT for floats, negative and inexact numbers. */
export function ggufCount(metadata: GgufMetadata, key: string): number | undefined {
  const n = ggufNumber(metadata, key);
  const type = metadata.get(key)?.type;
  if (n === undefined || (type !== "FLOAT32" && type !== "FLOAT64" && n >= 0)) return n;
  throw new TritlensError("E_FORMAT", `metadata "${key}"`, { expected: "a whole number, 0 or more", found: `${n} as ${type}` });
}

/** Text; bytes that are no UTF-8 show as U+FFFD. @returns undefined when the key is missing. @throws E_FORMAT when it is no string. */
export function ggufText(metadata: GgufMetadata, key: string): string | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type !== "STRING") throw wrongType(key, "a string", found);
  return typeof found.value === "string" ? found.value : lossy.decode(found.value);
}

/** A boolean. @returns undefined when the key is missing. @throws E_FORMAT when it is none. */
export function ggufFlag(metadata: GgufMetadata, key: string): boolean | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type !== "BOOL") throw wrongType(key, "a boolean", found);
  return found.value;
}

/** An array of strings. @returns undefined when the key is missing. @throws E_FORMAT when it is none. */
export function ggufTexts(metadata: GgufMetadata, key: string): GgufStrings | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type !== "ARRAY" || found.of !== "STRING") throw wrongType(key, "an array of strings", found);
  return found.value;
}

/**
 * An array of numbers of certain types: an array of bytes where floats are meant is refused, not read as if it were one.
 *
 * @returns undefined when the key is missing.
 * @throws E_FORMAT when it is no array of one of these types.
 */
export function ggufNumbers(metadata: GgufMetadata, key: string, types: readonly GgufSmallType[]): ArrayLike<number> | undefined {
  const found = metadata.get(key);
  if (found === undefined) return undefined;
  if (found.type !== "ARRAY" || !types.some((type) => type === found.of)) throw wrongType(key, `an array of ${types.join(" or ")}`, found);
  return found.value as unknown as ArrayLike<number>;
}
