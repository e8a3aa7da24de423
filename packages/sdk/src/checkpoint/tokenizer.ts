/** The tokenizer that lies in or beside a checkpoint. */
import type { FileSet } from "../io/index.ts";
import { type Tokenizer, tokenizerFromFolder, tokenizerFromGguf } from "../tokenizer/index.ts";
import type { OpenCheckpoint } from "./open.ts";

/** The tokenizer of an open checkpoint; undefined when there is none. @throws E_FORMAT when it is malformed, E_NAME when its kind is not supported. */
export async function tokenizerOf({ gguf, files }: OpenCheckpoint): Promise<Tokenizer | undefined> {
  if (gguf) return tokenizerFromGguf(gguf.metadata);
  return files && tokenizerFromFolder((name, most) => readWhole(files, name, most));
}

/** A whole file. One larger than `most` is read one byte beyond it, which is enough to refuse it. */
async function readWhole(files: FileSet, name: string, most: number): Promise<Uint8Array | undefined> {
  const source = await files.open(name);
  if (source === undefined) return undefined;
  try {
    const bytes = new Uint8Array(Math.min(source.size, most + 1));
    await source.read(0, bytes);
    return bytes;
  } finally {
    await source.close();
  }
}
