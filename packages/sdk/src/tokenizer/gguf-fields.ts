/** The fields of a GGUF's tokenizer, checked. */
import { bad, requireSize } from "./check.ts";

/** Metadata of a GGUF by key: numbers, booleans, text, typed arrays of numbers, lists of text. */
export type GgufMetadata = ReadonlyMap<string, unknown>;

/** Kinds of tokens (`tokenizer.ggml.token_type`). */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A vocabulary as the file has it. */
export interface GgufVocabulary {
  /** Spelling by id; all are different. */
  readonly tokens: readonly string[];
  /** Kind by id. */
  readonly types: ArrayLike<number>;
  /** Score by id; needed for `llama` vocabularies. */
  readonly scores?: ArrayLike<number>;
}

/** Reads tokens, kinds and scores. @throws E_FORMAT for lists of another type or length, for a token that is there twice, and for absurd sizes. */
export function readVocabulary(metadata: GgufMetadata): GgufVocabulary {
  const raw = strings(metadata, "tokenizer.ggml.tokens");
  if (raw === undefined) throw bad("the file names a tokenizer but has no tokens", "tokenizer.ggml.tokens", "nothing");
  requireSize(raw.length);
  const types = list(metadata, "tokenizer.ggml.token_type", Int32Array, raw.length) ?? new Int32Array(raw.length).fill(TOKEN_TYPE.normal);
  const scores = list(metadata, "tokenizer.ggml.scores", Float32Array, raw.length);
  return { tokens: distinct(raw, types), types, ...(scores ? { scores } : {}) };
}

/** Spellings that can be told apart. Empty and unused tokens are fillers: they get names of their own. */
function distinct(raw: readonly string[], types: ArrayLike<number>): string[] {
  const seen = new Map<string, number>();
  return raw.map((text, id) => {
    const token = text === "" ? `[EMPTY_${id}]` : text;
    const other = seen.get(token);
    if (other === undefined) {
      seen.set(token, id);
      return token;
    }
    if (types[id] === TOKEN_TYPE.unused) return `[UNUSED_${id}]`;
    throw bad("a token is in the vocabulary twice", "different tokens", `"${token.slice(0, 40)}" as ${other} and ${id}`);
  });
}

/** A list of text. @throws E_FORMAT for anything else. */
export function strings(metadata: GgufMetadata, key: string): readonly string[] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.some((x) => typeof x !== "string")) throw bad(`${key} has the wrong type`, "a list of text", kindOf(value));
  return value as string[];
}

/** A list of numbers of one type and length. @throws E_FORMAT. */
function list(metadata: GgufMetadata, key: string, type: typeof Int32Array | typeof Float32Array, length: number): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  // Some writers store kinds as unsigned.
  const good = value instanceof type || (type === Int32Array && value instanceof Uint32Array);
  if (!good) throw bad(`${key} has the wrong type`, type === Int32Array ? "a list of INT32" : "a list of FLOAT32", kindOf(value));
  const numbers = value as ArrayLike<number>;
  if (numbers.length !== length) throw bad(`${key} does not fit the tokens`, `${length} numbers`, String(numbers.length));
  for (let i = 0; i < length; i++) if (Number.isNaN(numbers[i])) throw bad(`${key} has no number at ${i}`, "numbers", "NaN");
  return numbers;
}

/** Text. @throws E_FORMAT for anything else. */
export function text(metadata: GgufMetadata, key: string): string | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "string") return value;
  throw bad(`${key} has the wrong type`, "text", kindOf(value));
}

/** Yes or no. @throws E_FORMAT for anything else. */
export function flag(metadata: GgufMetadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  if (value === undefined || typeof value === "boolean") return value;
  throw bad(`${key} has the wrong type`, "a boolean", kindOf(value));
}

/** A token id; undefined when the file has none or says "none" (-1 or 2^32 - 1). @throws E_FORMAT for an id outside of the vocabulary. */
export function tokenId(metadata: GgufMetadata, key: string, vocabulary: number): number | undefined {
  const value = metadata.get(key);
  const id = typeof value === "bigint" ? Number(value) : value;
  if (id === undefined || id === -1 || id === 0xffffffff) return undefined;
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabulary) return id as number;
  throw bad(`${key} is no token`, `an id below ${vocabulary}`, typeof id === "number" ? String(id) : kindOf(value));
}

function kindOf(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a list (${value.constructor.name})`;
  return Array.isArray(value) ? "a list" : typeof value;
}
