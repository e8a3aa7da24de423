/** Tokenizers and chat templates. */
export { applyChatTemplate, type ChatMessage, type ChatOptions } from "./chat.ts";
export { type FolderReader, tokenizerFromFolder } from "./folder.ts";
export { tokenizerFromGguf } from "./gguf.ts";
export type { DecodeOptions, EncodeOptions, SpecialTokens, StreamOptions, TextStream, Tokenizer } from "./types.ts";
export {
  detokenize,
  getTokenPosition,
  type HasTokenizer,
  type Tokenized,
  type ToTokensOptions,
  tokenizerOf,
  toSingleToken,
  toStrTokens,
  toTokens,
} from "./verbs.ts";
