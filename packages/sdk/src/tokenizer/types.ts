/** What a tokenizer is to the rest of tritlens. */

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Put the special tokens around the text that the tokenizer's own rule asks for (a `<s>` in front, say). True when left out, as in the reference. */
  readonly addSpecialTokens?: boolean;
}

/** Options of {@link Tokenizer.decode}. */
export interface DecodeOptions {
  /** Leave special tokens out of the text. False when left out. */
  readonly skipSpecialTokens?: boolean;
}

/** Options of {@link Tokenizer.stream}. */
export interface StreamOptions {
  /** Leave special tokens out of the text. True when left out. */
  readonly skipSpecialTokens?: boolean;
  /** Tokens that come before the stream (the end of a prompt): they decide whether the first word has a space in front, and are not part of the text. */
  readonly context?: readonly number[];
}

/** Text of tokens that arrive one after the other. */
export interface TextStream {
  /** Takes a token and gives the text that has become certain: never part of a character, so sometimes none. */
  push(id: number): string;
  /** What is still held back, at the end: the bytes of an unfinished character as U+FFFD. */
  end(): string;
}

/** Ids of tokens with a meaning. Each is there only when the checkpoint names it. */
export interface SpecialTokens {
  /** Begins a text. */
  readonly bos?: number;
  /** Ends a text. */
  readonly eos?: number;
  /** Stands for what has no token. */
  readonly unknown?: number;
  /** Fills up. */
  readonly pad?: number;
  /** Every token after which a model has nothing more to say: `eos`, the end of a chat's turn, those of generation_config.json. */
  readonly ends: readonly number[];
}

/**
 * Text to token ids and back. Ids that have no token (a model's vocabulary is often padded) decode to nothing.
 *
 * @example
 * ```ts
 * const ids = model.tokenizer.encode("The year 1732");
 * model.tokenizer.decode(ids);                       // "The year 1732"
 * ids.map((id) => model.tokenizer.tokenText(id));    // ["The", " year", " 1732"]
 * ```
 */
export interface Tokenizer {
  /** Where it came from: a tokenizer.json, or a GGUF's `gpt2` (byte-level BPE) or `llama` (SentencePiece) vocabulary. */
  readonly kind: "tokenizer.json" | "gguf gpt2" | "gguf llama";
  /** One more than the largest id. The model's own vocabulary may be larger. */
  readonly vocabSize: number;
  /** Ids with a meaning. */
  readonly special: SpecialTokens;
  /** The chat template of the checkpoint: Jinja source, only ever run by `applyChatTemplate`. */
  readonly chatTemplate?: string;
  /** Token ids of a text. @throws E_FORMAT when the text has a part without any token and there is no unknown token. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of ids. @throws E_RANGE for numbers that are no ids. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The vocabulary's own spelling of a token (`"Ġyear"`, `"▁year"`, `"<0xE4>"`); empty for an id without one. */
  token(id: number): string;
  /** The token as text inside of a sentence, its space included (`" year"`). */
  tokenText(id: number): string;
  /** The id of a vocabulary spelling. */
  idOf(token: string): number | undefined;
  /** Whether `skipSpecialTokens` leaves it out. */
  isSpecial(id: number): boolean;
  /** Decodes ids as they come. */
  stream(options?: StreamOptions): TextStream;
}
