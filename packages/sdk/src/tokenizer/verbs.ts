/** TransformerLens's verbs for text and tokens, over a tokenizer or a model that has one. */
import { TritlensError } from "../core/errors.ts";
import type { DecodeOptions, EncodeOptions, Tokenizer } from "./types.ts";

/** What may have a tokenizer: a model. */
export interface Tokenized {
  /** Undefined when there is none. */
  readonly tokenizer?: Tokenizer | undefined;
}

/** A tokenizer, or what has one. */
export type HasTokenizer = Tokenizer | Tokenized;

/** The tokenizer. @throws E_MODE when the model has none: then only token ids work. */
export function tokenizerOf(source: HasTokenizer): Tokenizer {
  const tokenizer = "encode" in source ? source : source.tokenizer;
  if (tokenizer) return tokenizer;
  throw new TritlensError("E_MODE", "the model has no tokenizer", { expected: "token ids, or a checkpoint with a tokenizer", found: "text" });
}

/** How text becomes tokens. */
export interface ToTokensOptions extends EncodeOptions {
  /** Whether the text begins with the `bos` token; what the tokenizer does by itself when left out. */
  readonly prependBos?: boolean;
}

/**
 * Token ids of a text.
 *
 * @example
 * ```ts
 * const { cache } = model.runWithCache(toTokens(model, "The cat sat on the mat"), { names: "blocks.*.attn.hook_pattern" });
 * ```
 *
 * @throws E_MODE without a tokenizer, or when a `bos` is asked for that the tokenizer does not have.
 */
export function toTokens(source: HasTokenizer, text: string, { prependBos, ...options }: ToTokensOptions = {}): number[] {
  const tokenizer = tokenizerOf(source);
  const ids = tokenizer.encode(text, options);
  if (prependBos === undefined) return ids;
  const { bos } = tokenizer.special;
  if (bos === undefined) {
    if (!prependBos) return ids;
    throw new TritlensError("E_MODE", "the tokenizer has no token that begins a text", { expected: "no prependBos", found: "prependBos" });
  }
  if ((ids[0] === bos) === prependBos) return ids;
  return prependBos ? [bos, ...ids] : ids.slice(1);
}

/** The text of ids (TransformerLens's `to_string`). */
export function detokenize(source: HasTokenizer, ids: ArrayLike<number>, options: DecodeOptions = {}): string {
  return tokenizerOf(source).decode(ids, options);
}

/** The text of each token: of a text's tokens, or of ids. Their spaces are kept. */
export function toStrTokens(source: HasTokenizer, input: string | ArrayLike<number>, options: ToTokensOptions = {}): string[] {
  const tokenizer = tokenizerOf(source);
  const ids = typeof input === "string" ? toTokens(tokenizer, input, options) : input;
  return Array.from(ids, (id) => tokenizer.tokenText(id));
}

/** The id of a text that is one token (`" Paris"`: mind the space; SentencePiece tokenizers put it there by themselves, and `"Paris"` it is). @throws E_RANGE when it is none or several. */
export function toSingleToken(source: HasTokenizer, text: string): number {
  const tokenizer = tokenizerOf(source);
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  const [id] = ids;
  if (ids.length === 1 && id !== undefined) return id;
  // SentencePiece puts a space in front by itself: there the bare word is the token.
  const bare = text.trimStart();
  const nearest = bare !== text && tokenizer.encode(bare, { addSpecialTokens: false }).length === 1 ? { nearest: `"${bare}"` } : {};
  throw new TritlensError("E_RANGE", `"${text}" is not a single token`, {
    ...nearest,
    expected: "one token",
    found: ids.length === 0 ? "none" : `${ids.length}: ${ids.map((i) => JSON.stringify(tokenizer.tokenText(i))).join(", ")}`,
  });
}

/**
 * Where a token stands in a text or in ids.
 *
 * @param token - An id, or text that is a single token.
 * @param mode - Which of several places (`first` when left out).
 * @throws E_NAME when it is nowhere.
 */
export function getTokenPosition(
  source: HasTokenizer,
  token: string | number,
  input: string | ArrayLike<number>,
  { mode = "first", ...options }: ToTokensOptions & { readonly mode?: "first" | "last" } = {},
): number {
  const id = typeof token === "number" ? token : toSingleToken(source, token);
  const ids = Array.from(typeof input === "string" ? toTokens(source, input, options) : input);
  const position = mode === "first" ? ids.indexOf(id) : ids.lastIndexOf(id);
  if (position >= 0) return position;
  throw new TritlensError("E_NAME", "the token is not in the text", { expected: `one of ${ids.join(", ")}`, found: String(token) });
}
