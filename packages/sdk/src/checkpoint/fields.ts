/** Typed, checked access to what a checkpoint says about itself: config.json, or the metadata of a GGUF file. */
import { TritlensError } from "../core/errors.ts";

/** Largest hidden size, number of heads, vocabulary, ... that is believed; real models stay far below. */
const MOST = 2 ** 30;

/** Values by key, with the name of the file they came from for error messages. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;
  /** Where the values stand: `config.json`, `GGUF metadata`. */
  readonly where: string;

  constructor(values: ReadonlyMap<string, unknown>, where: string) {
    this.#values = values;
    this.where = where;
  }

  /** Every key. */
  keys(): IterableIterator<string> {
    return this.#values.keys();
  }

  /** The value as it stands; null counts as absent. */
  get(key: string): unknown {
    const value = this.#values.get(key);
    if (value === null) return undefined;
    return typeof value === "bigint" ? Number(value) : value;
  }

  /** Whether a key has a value. */
  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** A whole number of at least 1 and at most `most`. @throws E_SPEC when it is missing without a fallback, or is something else. */
  integer(key: string, fallback?: number, most: number = MOST): number {
    const value = this.#or(key, fallback);
    if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw this.wrong(key, `a whole number from 1 to ${most}`, value);
  }

  /** A finite number, positive unless `zero` is allowed. @throws E_SPEC. */
  positive(key: string, fallback?: number, zero: boolean = false): number {
    const value = this.#or(key, fallback);
    if (typeof value === "number" && Number.isFinite(value) && (zero ? value >= 0 : value > 0)) return value;
    throw this.wrong(key, zero ? "a finite number of at least 0" : "a positive finite number", value);
  }

  /** true or false. @throws E_SPEC. */
  flag(key: string, fallback: boolean): boolean {
    const value = this.#or(key, fallback);
    if (typeof value === "boolean") return value;
    throw this.wrong(key, "true or false", value);
  }

  /** A string. @throws E_SPEC. */
  text(key: string, fallback?: string): string {
    const value = this.#or(key, fallback);
    if (typeof value === "string") return value;
    throw this.wrong(key, "a string", value);
  }

  /** A list of strings; empty when absent. @throws E_SPEC. */
  texts(key: string): string[] {
    const value = this.get(key) ?? [];
    if (Array.isArray(value) && value.every((v) => typeof v === "string")) return value;
    throw this.wrong(key, "a list of strings", value);
  }

  /** An object's fields; undefined when absent. @throws E_SPEC. */
  object(key: string): Fields | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== "object" || Array.isArray(value)) throw this.wrong(key, "an object", value);
    return new Fields(new Map(Object.entries(value as object)), `${this.where}, ${key}`);
  }

  /** Refuses a key that would change the computed function, unless it is absent or has one of the values that do not. @throws E_SPEC. */
  neutral(key: string, ...neutral: readonly unknown[]): void {
    const value = this.get(key);
    if (value === undefined || neutral.includes(value)) return;
    throw this.wrong(
      key,
      neutral.length > 0 ? `${neutral.map(String).join(" or ")} (anything else is not supported)` : "no such key (not supported)",
      value,
    );
  }

  /** The error for a wrong value. */
  wrong(key: string, expected: string, found: unknown): TritlensError {
    return new TritlensError("E_SPEC", `${this.where}: "${key}"`, { expected, found: shown(found) });
  }

  #or(key: string, fallback: unknown): unknown {
    const value = this.get(key) ?? fallback;
    if (value === undefined) throw this.wrong(key, "a value", undefined);
    return value;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  if (ArrayBuffer.isView(value)) return "a list";
  return (JSON.stringify(value) ?? String(value)).slice(0, 60);
}

/** Largest config.json that is read. */
const MOST_TEXT = 1 << 20;

/**
 * A JSON object as a Map (a key `__proto__` is a key like any other).
 *
 * @throws E_FORMAT for text that is too long, no UTF-8, no JSON, or no object.
 */
export function parseFields(bytes: Uint8Array, where: string): Fields {
  const refuse = (expected: string, found: string): TritlensError => new TritlensError("E_FORMAT", `malformed ${where}`, { expected, found });
  if (bytes.byteLength > MOST_TEXT) throw refuse("at most 1 MiB", `${bytes.byteLength} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse("JSON in UTF-8", error instanceof Error ? error.message.slice(0, 80) : "other bytes");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refuse("a JSON object", shown(value));
  return new Fields(new Map(Object.entries(value)), where);
}
