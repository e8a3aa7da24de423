/** What belongs to a model beside its weights: the tokenizer, kept from the checkpoint that the model was loaded from. */
import { TritlensError } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import { detectFormat, type FileSet, filesBeside, type GgufMetadata, openFolder, openGguf, openSource } from "../../io/index.ts";
import type { SaveOptions } from "./options.ts";
import { tokenizerToFolder } from "./tokenizer-to-folder.ts";
import { tokenizerToGguf } from "./tokenizer-to-gguf.ts";

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

/** A tokenizer in a GGUF. */
interface Entries {
  readonly metadata: GgufMetadata;
  readonly notes: readonly string[];
}

/** A tokenizer in a folder. */
interface Files {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly notes: readonly string[];
}

/** Entries for a GGUF of `vocab` tokens; a note where the tokenizer cannot be told there. */
export async function asMetadata(found: Companions, vocab: number): Promise<Entries> {
  if (found.kind === "gguf") return { metadata: found.metadata, notes: [] };
  const none: Entries = { metadata: new Map(), notes: noteOf(found) };
  if (found.kind === "none" || !found.files.has("tokenizer.json")) return none;
  return orNote(async () => ({ metadata: await tokenizerToGguf(found.files, vocab), notes: [] }), none);
}

/** Files for a folder; a note where the tokenizer cannot be told there. */
export async function asFiles(found: Companions): Promise<Files> {
  if (found.kind === "files") return { files: found.files, notes: [] };
  const none: Files = { files: new Map(), notes: noteOf(found) };
  return found.kind === "none" ? none : orNote(async () => ({ files: await tokenizerToFolder(found.metadata), notes: [] }), none);
}

async function orNote<T extends { readonly notes: readonly string[] }>(make: () => Promise<T>, none: T): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof TritlensError)) throw error;
    return { ...none, notes: [`the tokenizer was left out: ${error.message}`] };
  }
}

function noteOf(found: Companions): string[] {
  return found.kind === "none" && found.note !== undefined ? [found.note] : [];
}

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
    return kept.size > 0 ? { kind: "gguf", metadata: kept } : { kind: "none" };
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
  return files.size > 0 ? { kind: "files", files } : { kind: "none" };
}
