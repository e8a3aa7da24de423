/** Text of the user's own to look at a model with. */
import { readFile } from "node:fs/promises";
import { TritlensError } from "../core/index.ts";
import type { FlatTokens, Model } from "../hooks/index.ts";

/** Tokens a row, and rows: enough for numbers that stay, and little enough to wait for. */
const POS = 128;
const ROWS = 16;

/** The beginning of a text file as rows of tokens. @throws E_RANGE for a model without a tokenizer or a text shorter than two tokens, E_IO. */
export async function textTokens(model: Model, path: string): Promise<FlatTokens> {
  if (!model.tokenizer)
    throw new TritlensError("E_RANGE", "--text needs a tokenizer", { expected: "a checkpoint with one", found: "token ids only" });
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new TritlensError("E_IO", `cannot read ${path}: ${cause.message}`, { cause });
  });
  const pos = Math.min(POS, model.spec.ctx);
  // No tokenizer makes more tokens than there are bytes; a text of gigabytes is not encoded for its beginning.
  const ids = model.tokenizer.encode(text.slice(0, 16 * ROWS * pos)).slice(0, ROWS * pos);
  if (ids.length < 2) throw new TritlensError("E_RANGE", "the text is too short", { expected: "at least 2 tokens", found: String(ids.length) });
  const width = Math.min(pos, ids.length);
  const rows = Math.floor(ids.length / width);
  return { data: Int32Array.from(ids.slice(0, rows * width)), shape: [rows, width] };
}
