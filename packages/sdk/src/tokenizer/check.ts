/** Checks what a file says of a vocabulary before a library sees it. */
import { TritlensError } from "../core/errors.ts";
import type { TokenizerJson } from "./library.ts";

/** More tokens than any vocabulary has (the largest in use have about a million). */
export const MAX_VOCABULARY: number = 1 << 21;

/** A JSON object as a record, whatever else it may be otherwise. */
export function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw bad(`${what} is no object`, "an object", Array.isArray(value) ? "a list" : typeof value);
}

/** E_FORMAT of a tokenizer. */
export function bad(message: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_FORMAT", message, { expected, found });
}

/** Checks a tokenizer.json and fills in the parts that may be left out. @throws E_FORMAT. */
export function checkTokenizerJson(value: unknown): TokenizerJson {
  const json = asRecord(value, "tokenizer.json");
  const model = asRecord(json.model, "the model of tokenizer.json");
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) throw bad("added_tokens of tokenizer.json is no list", "a list", typeof added);
  if (Array.isArray(model.vocab)) checkScored(model.vocab);
  else checkIds(Object.entries(asRecord(model.vocab, "the vocabulary of tokenizer.json")));
  checkMerges(model);
  for (const token of added) {
    const { id, content } = asRecord(token, "an added token");
    requireId(id, String(content));
    if (typeof content !== "string" || content === "") throw bad(`the added token ${String(id)} has no text`, "text", typeof content);
  }
  return { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...json, added_tokens: added, model };
}

function checkIds(entries: readonly (readonly [string, unknown])[]): void {
  requireSize(entries.length);
  const seen = new Set<number>();
  for (const [token, id] of entries) {
    requireId(id, token);
    if (seen.has(id)) throw bad(`token id ${id} is used twice`, "one token an id", `"${token}" again`);
    seen.add(id);
  }
}

function checkScored(vocab: readonly unknown[]): void {
  requireSize(vocab.length);
  vocab.forEach((entry, i) => {
    const good = Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "number";
    if (!good) throw bad(`entry ${i} of the vocabulary is malformed`, "[token, score]", JSON.stringify(entry)?.slice(0, 60) ?? "nothing");
  });
}

function checkMerges({ type, merges }: Record<string, unknown>): void {
  if (merges === undefined && type !== "BPE") return;
  if (!Array.isArray(merges)) throw bad("tokenizer.json has tokens but no merges", "a list of merges", typeof merges);
  if (merges.length > 4 * MAX_VOCABULARY) throw bad("there are too many merges", `at most ${4 * MAX_VOCABULARY}`, String(merges.length));
  const pairs = Array.isArray(merges[0]);
  const wrong = merges.findIndex((merge) =>
    pairs ? !(Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string")) : !isMerge(merge),
  );
  if (wrong >= 0) throw bad(`merge ${wrong} is malformed`, "two pieces", JSON.stringify(merges[wrong])?.slice(0, 60) ?? "nothing");
}

/** Two pieces with one space between them. */
export function isMerge(merge: unknown): merge is string {
  if (typeof merge !== "string") return false;
  const space = merge.indexOf(" ");
  return space > 0 && space < merge.length - 1 && merge.indexOf(" ", space + 1) < 0;
}

function requireId(id: unknown, token: string): asserts id is number {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < MAX_VOCABULARY) return;
  throw bad(`token "${token}" has no usable id`, `an integer in [0, ${MAX_VOCABULARY})`, String(id));
}

/** @throws E_FORMAT when a vocabulary is empty or larger than any real one. */
export function requireSize(tokens: number): void {
  if (tokens > 0 && tokens <= MAX_VOCABULARY) return;
  throw bad("the vocabulary has no sensible size", `1 to ${MAX_VOCABULARY} tokens`, String(tokens));
}
