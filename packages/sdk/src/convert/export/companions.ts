/** What belongs to a model beside its weights: the tokenizer, kept from the checkpoint that the model was loaded from. */
import { TritlensError } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import { detectFormat, type FileSet, filesBeside, type GgufMetadata, openFolder, openGguf, openSource } from "../../io/index.ts";
import type { SaveOptions } from "./options.ts";

/** The tokenizer's files in a folder of transformers. */
const FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
  "generation_config.json",
] as const;

/** The largest of these have about 35 MB. */
const MOST = 256 << 20;

/** A tokenizer as it was found: files, or entries of a GGUF's metadata. */
export type Companions =
  | { readonly kind: "files"; readonly files: ReadonlyMap<string, Uint8Array> }
  | { readonly kind: "gguf"; readonly metadata: GgufMetadata }
  | { readonly kind: "none"; readonly note?: string };

/** Reads the tokenizer of the checkpoint that `tokenizerFrom` names, or the model came from. A missing one is no error: a note says so. */
export async function findCompanions(model: Model, { tokenizerFrom, signal }: SaveOptions): Promise<Companions> {
  const from = tokenizerFrom ?? model.checkpoint?.source;
  if (from === undefined || tokenizerFrom === null) return { kind: "none" };
  try {
    return await read(from, signal);
  } catch (error) {
    // A source that was named must be there; one that is only remembered may have gone.
    if (tokenizerFrom !== undefined || !(error instanceof TritlensError) || error.code === "E_ABORTED") throw error;
    return { kind: "none", note: `no tokenizer: ${from} could not be opened (${error.code})` };
  }
}

async function read(from: string, signal: AbortSignal | undefined): Promise<Companions> {
  const options = signal ? { signal } : {};
  const folder = await openFolder(from, options);
  if (folder) return readFiles(folder);
  const source = await openSource(from, options);
  try {
    if ((await detectFormat(source)) !== "gguf") return readFiles(filesBeside(from, options));
    const { metadata } = await openGguf(source);
    const kept = new Map([...metadata].filter(([key]) => key.startsWith("tokenizer.")));
    return kept.size > 0 ? { kind: "gguf", metadata: kept } : { kind: "none", note: `no tokenizer in ${from}` };
  } finally {
    await source.close();
  }
}

async function readFiles(folder: FileSet): Promise<Companions> {
  const files = new Map<string, Uint8Array>();
  for (const name of FILES) {
    const source = await folder.open(name);
    if (!source) continue;
    try {
      if (source.size > MOST)
        throw new TritlensError("E_FORMAT", `${name} is too large`, { expected: `at most ${MOST} bytes`, found: `${source.size}` });
      const bytes = new Uint8Array(source.size);
      await source.read(0, bytes);
      files.set(name, bytes);
    } finally {
      await source.close();
    }
  }
  return files.size > 0 ? { kind: "files", files } : { kind: "none", note: `no tokenizer in ${folder.name}` };
}
