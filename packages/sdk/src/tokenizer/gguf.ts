/** The tokenizer inside of a GGUF file, written as a tokenizer.json. */
import { type GgufMetadata, ggufFlag, ggufText, ggufTexts } from "../io/index.ts";
import { bad, isMerge } from "./check.ts";
import { optional } from "./folder.ts";
import { type GgufVocabulary, readVocabulary, TOKEN_TYPE, tokenId } from "./gguf-fields.ts";
import { makeTokenizer, type TokenizerJson } from "./library.ts";
import { type MergeScore, mergePieces } from "./pieces.ts";
import { cutOf, preTokenizer, unsupportedModel } from "./pre.ts";
import type { SpecialTokens, Tokenizer } from "./types.ts";

/** Control tokens that end a chat's turn or a text, by their spelling: files seldom name them by key. */
const END_TEXTS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|eom_id|>",
  "<|end_of_text|>",
]);

const LISTS = ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.scores"] as const;

/**
 * Makes the tokenizer of a GGUF from its metadata: `gpt2` (byte-level BPE) and `llama` (SentencePiece BPE with byte fallback) vocabularies. Neither the
 * scores nor the merges are trusted: lists of another type or length are refused.
 *
 * @returns undefined when the file says that it has no vocabulary (`none`, `no_vocab`) or says nothing.
 * @throws E_NAME for a kind of vocabulary or pre-tokenizer that is not supported, E_FORMAT for a malformed one.
 */
export async function tokenizerFromGguf(metadata: GgufMetadata): Promise<Tokenizer | undefined> {
  const model = ggufText(metadata, "tokenizer.ggml.model") ?? "none";
  // Lists are checked whatever the vocabulary is called: what is malformed is refused rather than left aside.
  const vocabulary = LISTS.some((key) => metadata.has(key)) ? readVocabulary(metadata) : undefined;
  if (model === "none" || model === "no_vocab") return undefined;
  if (model !== "gpt2" && model !== "llama") throw unsupportedModel(model);
  if (vocabulary === undefined) throw bad("the file names a tokenizer but has no tokens", LISTS[0], "nothing");
  const special = specialOf(metadata, vocabulary, model);
  const common = { special, ...optional("chatTemplate", ggufText(metadata, "tokenizer.chat_template")) };
  const { tokens, ids } = vocabulary;
  if (model === "llama") {
    const score = byScore(vocabulary);
    const merge = (word: string): string[] => mergePieces(word, score);
    return makeTokenizer({ kind: "gguf llama", json: sentencePiece(metadata, vocabulary, special), vocabulary: { tokens, ids, merge }, ...common });
  }
  const score = byRank(metadata);
  const merge = (word: string): string[] => known(mergePieces(word, score), ids);
  return makeTokenizer({ kind: "gguf gpt2", json: byteLevel(metadata, vocabulary, special), vocabulary: { tokens, ids, merge }, ...common });
}

function specialOf(metadata: GgufMetadata, { tokens, types }: GgufVocabulary, model: "gpt2" | "llama"): SpecialTokens {
  const id = (name: string, otherwise?: number): number | undefined => {
    const key = `tokenizer.ggml.${name}_token_id`;
    return metadata.has(key) || otherwise === undefined || otherwise >= tokens.length ? tokenId(metadata, key, tokens.length) : otherwise;
  };
  // SentencePiece's own ids, for files that leave them out.
  const [bos, eos, unknown] = model === "llama" ? [id("bos", 1), id("eos", 2), id("unknown", 0)] : [id("bos"), id("eos"), id("unknown")];
  const ends = new Set([eos, id("eot"), id("eom")].filter((x): x is number => x !== undefined));
  tokens.forEach((token, i) => {
    if (types[i] === TOKEN_TYPE.control && END_TEXTS.has(token)) ends.add(i);
  });
  return { ...optional("bos", bos), ...optional("eos", eos), ...optional("unknown", unknown), ...optional("pad", id("padding")), ends: [...ends] };
}

/** Byte-level BPE; merges are applied by rank (see pieces.ts). */
function byteLevel(metadata: GgufMetadata, vocabulary: GgufVocabulary, special: SpecialTokens): TokenizerJson {
  const cut = cutOf(ggufText(metadata, "tokenizer.ggml.pre") ?? "default");
  return {
    ...shared(metadata, vocabulary, special, cut.addsBos ?? false),
    normalizer: cut.composed ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizer(cut),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: "BPE", vocab: {}, merges: [], ignore_merges: cut.wholeWords ?? false },
  };
}

/** SentencePiece: spaces are "▁", what is in no piece falls back to bytes. Pieces are merged by score. */
function sentencePiece(metadata: GgufMetadata, vocabulary: GgufVocabulary, special: SpecialTokens): TokenizerJson {
  const prefix = ggufFlag(metadata, "tokenizer.ggml.add_space_prefix") ?? true;
  const spaces = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const back = { type: "Replace", pattern: { String: "▁" }, content: " " };
  const unknown = special.unknown === undefined ? {} : { unk_token: vocabulary.tokens[special.unknown] };
  return {
    ...shared(metadata, vocabulary, special, true),
    normalizer: { type: "Sequence", normalizers: [...(prefix ? [{ type: "Prepend", prepend: "▁" }] : []), spaces] },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [back, { type: "ByteFallback" }, { type: "Fuse" }, ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [])],
    },
    model: { type: "BPE", vocab: {}, merges: [], byte_fallback: true, fuse_unk: true, ...unknown },
  };
}

/** What both kinds have: tokens that are found in the text before anything else, and those put around it. */
function shared(metadata: GgufMetadata, { tokens, types }: GgufVocabulary, { bos, eos }: SpecialTokens, bosByDefault: boolean): object {
  const added: object[] = [];
  tokens.forEach((content, id) => {
    const special = types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.unknown;
    if (special || types[id] === TOKEN_TYPE.userDefined) added.push({ id, content, special, normalized: false });
  });
  const around = (wanted: boolean, id: number | undefined): object[] =>
    wanted && id !== undefined ? [{ SpecialToken: { id: tokens[id], type_id: 0 } }] : [];
  const single = [
    ...around(ggufFlag(metadata, "tokenizer.ggml.add_bos_token") ?? bosByDefault, bos),
    { Sequence: { id: "A", type_id: 0 } },
    ...around(ggufFlag(metadata, "tokenizer.ggml.add_eos_token") ?? false, eos),
  ];
  return { added_tokens: added, post_processor: single.length > 1 ? { type: "TemplateProcessing", single, pair: single, special_tokens: {} } : null };
}

/** The earlier a merge is in the list, the better. Merges stay the strings that they are in the file: large vocabularies have 300,000. */
function byRank(metadata: GgufMetadata): MergeScore {
  const key = "tokenizer.ggml.merges";
  const merges = ggufTexts(metadata, key);
  if (merges === undefined) throw bad("the vocabulary is byte-level BPE but has no merges", key, "nothing");
  const scores = new Map<string, number>();
  // Backwards, so that the first of equal merges counts.
  for (let i = merges.length - 1; i >= 0; i--) {
    const merge = merges.at(i);
    if (!isMerge(merge)) throw bad(`merge ${i} is malformed`, "two pieces with a space between them", `"${String(merge).slice(0, 60)}"`);
    scores.set(merge, -i);
  }
  return (left, right) => scores.get(`${left} ${right}`);
}

/** The pieces of a word. @throws E_FORMAT when one is no token: a merge that makes none, or a byte that the vocabulary lacks. */
function known(pieces: string[], ids: ReadonlyMap<string, number>): string[] {
  const piece = pieces.find((p) => !ids.has(p));
  if (piece === undefined) return pieces;
  throw bad("the vocabulary lacks a piece of the text", "a token for every byte and merge", `"${piece.slice(0, 40)}"`);
}

/** Pieces that text can be merged into. @throws E_FORMAT when there are no scores. */
function byScore({ tokens, types, scores }: GgufVocabulary): MergeScore {
  if (scores === undefined) throw bad("the vocabulary is SentencePiece but has no scores", "tokenizer.ggml.scores", "nothing");
  const byPiece = new Map<string, number>();
  tokens.forEach((token, i) => {
    if (types[i] === TOKEN_TYPE.normal || types[i] === TOKEN_TYPE.userDefined) byPiece.set(token, scores[i] as number);
  });
  return (left, right) => byPiece.get(left + right);
}
