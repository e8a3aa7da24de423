/** Small text files of a model: its index, its configuration. */
import { TritlensError } from "../../core/errors.ts";
import type { ByteSource } from "./source.ts";

/** Longest text, in bytes; the largest tokenizer.json have 30 MB. */
const MAX_TEXT = 100_000_000;

/**
 * All of a source as text, which is closed then.
 *
 * @throws E_FORMAT for bytes that are no UTF-8, and for more than 100 MB; E_IO; E_ABORTED.
 */
export async function readText(source: ByteSource): Promise<string> {
  try {
    if (source.size > MAX_TEXT)
      throw new TritlensError("E_FORMAT", source.name, { expected: `at most ${MAX_TEXT} bytes`, found: `${source.size} bytes` });
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes);
    return decode(bytes, source.name);
  } finally {
    await source.close();
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TritlensError("E_FORMAT", name, { expected: "UTF-8 text", found: "other bytes" });
  }
}
