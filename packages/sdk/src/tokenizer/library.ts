/** The tokenizer of `@huggingface/tokenizers` behind our interface. The library is loaded when the first tokenizer is made. */
import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { TritlensError } from "../core/errors.ts";
import { WindowStream } from "./stream.ts";
import type { DecodeOptions, EncodeOptions, SpecialTokens, StreamOptions, TextStream, Tokenizer } from "./types.ts";

/** The content of a tokenizer.json. */
export type TokenizerJson = Record<string, unknown> & { readonly model: Record<string, unknown> };

/** What a tokenizer is made from. */
export interface TokenizerParts {
  readonly kind: Tokenizer["kind"];
  readonly json: TokenizerJson;
  readonly special: SpecialTokens;
  readonly chatTemplate?: string;
  /** A vocabulary and a way to merge a word into its pieces, instead of those in `json`: the library takes most of a second for a large one. */
  readonly vocabulary?: { readonly tokens: readonly string[]; readonly ids: ReadonlyMap<string, number>; readonly merge: (word: string) => string[] };
}

/** Makes a tokenizer. The parts must have been checked. @throws E_FORMAT when the library refuses them. */
export async function makeTokenizer(parts: TokenizerParts): Promise<Tokenizer> {
  const { Tokenizer: Make } = await import("@huggingface/tokenizers");
  const library = typed("the tokenizer cannot be built", () => new Make(parts.json, {}));
  if (parts.vocabulary) replaceVocabulary(library.model as unknown as BytePairs, parts.vocabulary);
  return new LibraryTokenizer(library, parts);
}

/** The library's model of byte-pair encoding, which it has no exported type for. */
interface BytePairs {
  vocab: readonly string[];
  tokens_to_ids: ReadonlyMap<string, number>;
  unk_token?: string;
  unk_token_id?: number | undefined;
  bpe: (word: string) => string[];
}

function replaceVocabulary(model: BytePairs, { tokens, ids, merge }: Required<TokenizerParts>["vocabulary"]): void {
  model.vocab = tokens;
  model.tokens_to_ids = ids;
  model.unk_token_id = model.unk_token === undefined ? undefined : ids.get(model.unk_token);
  model.bpe = merge;
}

class LibraryTokenizer implements Tokenizer {
  readonly kind: Tokenizer["kind"];
  readonly vocabSize: number;
  readonly special: SpecialTokens;
  readonly chatTemplate?: string;
  readonly #library: Library;
  readonly #specialIds: ReadonlySet<number>;
  /** Whether the decoder drops the space in front of a text. */
  readonly #strips: boolean;

  constructor(library: Library, { kind, json, special, chatTemplate }: TokenizerParts) {
    this.#library = library;
    this.kind = kind;
    this.special = special;
    if (chatTemplate !== undefined) this.chatTemplate = chatTemplate;
    this.vocabSize = library.model?.vocab.length ?? 0;
    this.#specialIds = new Set([...library.get_added_tokens_decoder()].filter(([, token]) => token.special).map(([id]) => id));
    this.#strips = /"type":"(Strip|Metaspace|WordPiece)"/.test(JSON.stringify(json.decoder ?? null));
  }

  encode(text: string, { addSpecialTokens = true }: EncodeOptions = {}): number[] {
    if (typeof text !== "string") throw new TritlensError("E_RANGE", "a tokenizer takes text", { expected: "a string", found: typeof text });
    const encoded = typed("the text cannot be tokenized", () => this.#library.encode(text, { add_special_tokens: addSpecialTokens }));
    const ids: (number | undefined)[] = encoded.ids;
    // The library leaves a hole where neither a piece nor an unknown token exists.
    if (ids.includes(undefined)) throw new TritlensError("E_FORMAT", "a part of the text has no token, and there is no unknown token");
    return ids as number[];
  }

  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const known: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (!Number.isInteger(id) || id < 0) {
        throw new TritlensError("E_RANGE", `token ${i} is no token id`, { expected: "an integer of at least 0", found: String(id) });
      }
      if (this.token(id) !== "" && !(skipSpecialTokens && this.#specialIds.has(id))) known.push(id);
    }
    if (known.length === 0) return "";
    // Cleaning up spaces would make the text of a token depend on all that follow.
    return typed("the tokens cannot be decoded", () => this.#library.decode(known, { clean_up_tokenization_spaces: false }));
  }

  token(id: number): string {
    return this.#library.id_to_token(id) ?? "";
  }

  tokenText(id: number): string {
    if (!this.#strips) return this.decode([id]);
    return this.decode([id, id]).slice(this.decode([id]).length);
  }

  idOf(token: string): number | undefined {
    return this.#library.token_to_id(token);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  stream(options?: StreamOptions): TextStream {
    return new WindowStream(this, options);
  }
}

/** What the library throws is untyped. */
function typed<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new TritlensError("E_FORMAT", what, { found: cause instanceof Error ? cause.message.slice(0, 200) : String(cause), cause });
  }
}
