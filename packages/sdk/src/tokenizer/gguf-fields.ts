/** The vocabulary of a GGUF, checked. */
import { type GgufMetadata, ggufCount, ggufNumbers, ggufTexts } from "../io/index.ts";
import { bad, requireSize } from "./check.ts";

/** Kinds of tokens (`tokenizer.ggml.token_type`). */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A vocabulary as the file has it. */
export interface GgufVocabulary {
  /** Spelling by id; all are different. */
  readonly tokens: readonly string[];
  /** Id by spelling. */
  readonly ids: ReadonlyMap<string, number>;
  /** Kind by id. */
  readonly types: ArrayLike<number>;
  /** Score by id; needed for `llama` vocabularies. */
  readonly scores?: ArrayLike<number>;
}

/** Reads tokens, kinds and scores. @throws E_FORMAT for lists of another type or length, for a token that is there twice, and for absurd sizes. */
export function readVocabulary(metadata: GgufMetadata): GgufVocabulary {
  const raw = ggufTexts(metadata, "tokenizer.ggml.tokens");
  if (raw === undefined) throw bad("the file has a vocabulary without tokens", "tokenizer.ggml.tokens", "nothing");
  requireSize(raw.length);
  // Some writers store kinds as unsigned.
  const types = numbers(metadata, "tokenizer.ggml.token_type", ["INT32", "UINT32"], raw.length) ?? new Int32Array(raw.length).fill(TOKEN_TYPE.normal);
  const scores = numbers(metadata, "tokenizer.ggml.scores", ["FLOAT32"], raw.length);
  return { ...distinct(raw, types), types, ...(scores ? { scores } : {}) };
}

/** Spellings that can be told apart. Fillers (empty or unused tokens) and bytes that are no text get names of their own. */
function distinct(raw: Iterable<string>, types: ArrayLike<number>): Pick<GgufVocabulary, "tokens" | "ids"> {
  const ids = new Map<string, number>();
  const tokens = Array.from(raw, (text, id) => {
    let token = text === "" ? `[EMPTY_${id}]` : text;
    const other = ids.get(token);
    if (other !== undefined) {
      if (types[id] !== TOKEN_TYPE.unused && !token.includes("\uFFFD")) {
        throw bad("a token is in the vocabulary twice", "different tokens", `"${token.slice(0, 40)}" as ${other} and ${id}`);
      }
      token = `[TOKEN_${id}]`;
    }
    ids.set(token, id);
    return token;
  });
  return { tokens, ids };
}

function numbers(
  metadata: GgufMetadata,
  key: string,
  types: readonly ("INT32" | "UINT32" | "FLOAT32")[],
  length: number,
): ArrayLike<number> | undefined {
  const found = ggufNumbers(metadata, key, types);
  if (found === undefined) return undefined;
  if (found.length !== length) throw bad(`${key} does not fit the tokens`, `${length} numbers`, String(found.length));
  for (let i = 0; i < length; i++) if (Number.isNaN(found[i])) throw bad(`${key} has no number at ${i}`, "numbers", "NaN");
  return found;
}

/** A token id; undefined when the file has none or says "none" (2^32 - 1). @throws E_FORMAT for an id outside of the vocabulary. */
export function tokenId(metadata: GgufMetadata, key: string, vocabulary: number): number | undefined {
  const id = ggufCount(metadata, key);
  if (id === undefined || id === 0xffffffff) return undefined;
  if (id < vocabulary) return id;
  throw bad(`${key} is no token`, `an id below ${vocabulary}`, String(id));
}
