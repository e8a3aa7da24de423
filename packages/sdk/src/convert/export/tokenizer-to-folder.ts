/** The tokenizer of a GGUF as the files of a folder of transformers: byte-level BPE only (SentencePiece vocabularies have scores, tokenizer.json wants merges). */
import { TritlensError } from "../../core/errors.ts";
import { type GgufMetadata, ggufText, ggufTexts } from "../../io/index.ts";
import { readVocabulary, TOKEN_TYPE } from "../../tokenizer/gguf-fields.ts";
import { type Tokenizer, tokenizerFromGguf } from "../../tokenizer/index.ts";
import { cutOf, preTokenizer } from "../../tokenizer/pre.ts";

/** @throws E_SPEC for a vocabulary that is no byte-level BPE, and what a malformed one throws. */
export async function tokenizerToFolder(metadata: GgufMetadata): Promise<ReadonlyMap<string, Uint8Array>> {
  const kind = ggufText(metadata, "tokenizer.ggml.model");
  if (kind !== "gpt2")
    throw new TritlensError("E_SPEC", "the tokenizer cannot be written as tokenizer.json", {
      expected: "byte-level BPE (gpt2)",
      found: String(kind),
    });
  const tokenizer = (await tokenizerFromGguf(metadata)) as Tokenizer;
  const json = tokenizerJson(metadata, tokenizer);
  const text = (id: number | undefined): string | null => (id === undefined ? null : tokenizer.token(id));
  const { bos, eos, unknown, pad } = tokenizer.special;
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: text(bos),
    eos_token: text(eos),
    unk_token: text(unknown),
    pad_token: text(pad),
    ...(tokenizer.chatTemplate === undefined ? {} : { chat_template: tokenizer.chatTemplate }),
  };
  const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
  return new Map([
    ["tokenizer.json", encode(json)],
    ["tokenizer_config.json", encode(config)],
  ]);
}

function tokenizerJson(metadata: GgufMetadata, tokenizer: Tokenizer): object {
  const { tokens, types } = readVocabulary(metadata);
  const cut = cutOf(ggufText(metadata, "tokenizer.ggml.pre") ?? "default");
  const isAdded = (id: number): boolean =>
    types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.userDefined || types[id] === TOKEN_TYPE.unknown;
  // A plain object without a prototype: `__proto__` is a token like any other.
  const vocab = Object.create(null) as Record<string, number>;
  tokens.forEach((token, id) => {
    vocab[token] = id;
  });
  const added = tokens.flatMap((content, id) =>
    isAdded(id)
      ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: types[id] !== TOKEN_TYPE.userDefined }]
      : [],
  );
  const merges = [...(ggufTexts(metadata, "tokenizer.ggml.merges") ?? [])].map((m) => [
    m.slice(0, m.indexOf(" ", 1)),
    m.slice(m.indexOf(" ", 1) + 1),
  ]);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: cut.composed ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizer(cut),
    post_processor: around(tokenizer),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: cut.wholeWords ?? false,
      vocab,
      merges,
    },
  };
}

/** Special tokens that the GGUF puts around a text. */
function around(tokenizer: Tokenizer): object | null {
  const [bare, whole] = [tokenizer.encode("a", { addSpecialTokens: false }), tokenizer.encode("a")];
  if (whole.length === bare.length) return null;
  const { bos, eos } = tokenizer.special;
  const special = (id: number | undefined, there: boolean): object[] =>
    there && id !== undefined ? [{ SpecialToken: { id: tokenizer.token(id), type_id: 0 } }] : [];
  const single = [...special(bos, whole[0] === bos), { Sequence: { id: "A", type_id: 0 } }, ...special(eos, whole.at(-1) === eos)];
  const used = [bos, eos].filter((id): id is number => id !== undefined);
  const special_tokens = Object.fromEntries(
    used.map((id) => [tokenizer.token(id), { id: tokenizer.token(id), ids: [id], tokens: [tokenizer.token(id)] }]),
  );
  return { type: "TemplateProcessing", single, pair: single, special_tokens };
}
