/** Decoding tokens one at a time, without ever showing half of a character. */
import type { StreamOptions, TextStream, Tokenizer } from "./types.ts";

/** What the end of a text shows while its last character lacks bytes. */
const UNFINISHED = "\uFFFD";
/** Tokens kept as context: the text of a token depends on what is before it by a space at most. */
const CONTEXT = 4;
/** Tokens decoded together at most, once their text is certain. */
const WINDOW = 16;

/**
 * Decodes the last few tokens again with each new one and gives what was added. A decoder writes one U+FFFD for an unfinished character, so holding back the
 * last one is enough; whether it was broken for good shows with the next token.
 */
export class WindowStream implements TextStream {
  readonly #decode: (ids: readonly number[]) => string;
  #ids: number[];
  #given: number;

  constructor(tokenizer: Pick<Tokenizer, "decode">, { skipSpecialTokens = true, context = [] }: StreamOptions = {}) {
    this.#decode = (ids) => tokenizer.decode(ids, { skipSpecialTokens });
    this.#ids = context.slice(-CONTEXT);
    this.#given = this.#decode(this.#ids).length;
  }

  push(id: number): string {
    this.#ids.push(id);
    const text = this.#decode(this.#ids);
    const held = text.endsWith(UNFINISHED) ? 1 : 0;
    const certain = text.slice(this.#given, Math.max(this.#given, text.length - held));
    this.#given += certain.length;
    if (held === 0 && this.#ids.length > WINDOW) {
      this.#ids = this.#ids.slice(-CONTEXT);
      this.#given = this.#decode(this.#ids).length;
    }
    return certain;
  }

  end(): string {
    const rest = this.#decode(this.#ids).slice(this.#given);
    this.#given += rest.length;
    return rest;
  }
}
