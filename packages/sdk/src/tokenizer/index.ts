/** Tokenizers and chat templates. */
export { type FolderReader, tokenizerFromFolder } from "./folder.ts";
export { tokenizerFromGguf } from "./gguf.ts";
export type { GgufMetadata } from "./gguf-fields.ts";
export type { DecodeOptions, EncodeOptions, SpecialTokens, StreamOptions, TextStream, Tokenizer } from "./types.ts";
