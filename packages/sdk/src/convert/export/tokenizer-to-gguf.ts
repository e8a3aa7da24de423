/** A tokenizer.json as metadata of a GGUF, with the keys that llama.cpp's converters write: byte-level BPE only. */
import { TritlensError } from "../../core/errors.ts";
import { type GgufMetadata, GgufStrings, type GgufValue } from "../../io/index.ts";
import { TOKEN_TYPE } from "../../tokenizer/gguf-fields.ts";
import { type Tokenizer, tokenizerFromFolder, tokenizerFromGguf } from "../../tokenizer/index.ts";
import { BYTE_LEVEL_PATTERN, nameOfCut } from "../../tokenizer/pre.ts";

/** Text on which both tokenizers have to agree before one is written for the other. */
const PROBES = [
  "The quick brown fox, 1732 times: it's 3.14159 (or not)!",
  "  two  spaces\n\n\ttab\r\n trailing ",
  "naïve café, Ωmega, 東京 ternary — “quotes” 🙂🙂 I'LL'd've",
  "snake_case camelCase <tag/> {json: [1, 22, 333, 4444]}",
];

/** Part of a tokenizer.json. */
type Part = Record<string, unknown>;

/**
 * @param vocab - Rows of the embedding; ids without a token become fillers.
 * @throws E_SPEC for a tokenizer that GGUF has no name for, saying why.
 */
export async function tokenizerToGguf(files: ReadonlyMap<string, Uint8Array>, vocab: number): Promise<GgufMetadata> {
  const tokenizer = await tokenizerFromFolder(async (name) => files.get(name));
  if (!tokenizer) throw unnamed("a tokenizer.json", "none");
  const json = JSON.parse(new TextDecoder().decode(files.get("tokenizer.json"))) as Part;
  const metadata = describe(json, tokenizer, vocab);
  const back = (await tokenizerFromGguf(metadata)) as Tokenizer;
  const different = PROBES.find((text) => String(back.encode(text)) !== String(tokenizer.encode(text)));
  if (different !== undefined) throw unnamed("the same tokens from both", `others for "${different.slice(0, 30)}..."`);
  return metadata;
}

function unnamed(expected: string, found: string): TritlensError {
  return new TritlensError("E_SPEC", "the tokenizer cannot be written into a GGUF", { expected, found });
}

function describe(json: Part, tokenizer: Tokenizer, vocab: number): GgufMetadata {
  const model = json.model as Part;
  if (model.type !== "BPE" || model.byte_fallback === true)
    throw unnamed("byte-level BPE", `${String(model.type)}${model.byte_fallback ? " with byte fallback" : ""}`);
  const normalizer = json.normalizer as Part | null | undefined;
  if (normalizer && normalizer.type !== "NFC") throw unnamed("no normalizer, or NFC", String(normalizer.type));
  const pre = nameOfCut(patternsOf(json.pre_tokenizer as Part | null), model.ignore_merges === true, normalizer?.type === "NFC");
  if (pre === undefined) throw unnamed("a way to cut words that llama.cpp has a name for", "another one");
  const { tokens, types } = vocabularyOf(json, Math.max(vocab, tokenizer.vocabSize));
  const out = new Map<string, GgufValue>();
  const text = (key: string, value: string): void => void out.set(key, { type: "STRING", value });
  text("tokenizer.ggml.model", "gpt2");
  text("tokenizer.ggml.pre", pre);
  out.set("tokenizer.ggml.tokens", { type: "ARRAY", of: "STRING", value: GgufStrings.from(tokens) });
  out.set("tokenizer.ggml.token_type", { type: "ARRAY", of: "INT32", value: types });
  out.set("tokenizer.ggml.merges", { type: "ARRAY", of: "STRING", value: GgufStrings.from(mergesOf(model)) });
  specials(tokenizer, out);
  if (tokenizer.chatTemplate !== undefined) text("tokenizer.chat_template", tokenizer.chatTemplate);
  return out;
}

/** Regular expressions of a pre-tokenizer, in order; it has to end in byte-level letters. */
function patternsOf(pre: Part | null): string[] {
  const steps = pre?.type === "Sequence" ? (pre.pretokenizers as Part[]) : pre ? [pre] : [];
  const patterns = steps.flatMap((step): string[] => {
    if (step.type === "Split" && step.behavior === "Isolated") return [(step.pattern as { Regex?: string }).Regex ?? ""];
    if (step.type === "Digits" && step.individual_digits === true) return [String.raw`\p{N}`];
    if (step.type === "ByteLevel" && step.add_prefix_space !== true) return step.use_regex === false ? [] : [BYTE_LEVEL_PATTERN];
    throw unnamed("Split, Digits and ByteLevel", String(step.type));
  });
  if (steps.at(-1)?.type !== "ByteLevel") throw unnamed("byte-level BPE", "a pre-tokenizer without ByteLevel");
  return patterns;
}

function vocabularyOf(json: Part, size: number): { tokens: string[]; types: Int32Array } {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(size).fill(TOKEN_TYPE.unused);
  const put = (id: number, token: string, type: number): void => {
    tokens[id] = token;
    types[id] = type;
  };
  for (const [token, id] of Object.entries((json.model as { vocab: Record<string, number> }).vocab)) put(id, token, TOKEN_TYPE.normal);
  for (const { id, content, special } of (json.added_tokens ?? []) as { id: number; content: string; special: boolean }[])
    put(id, content, special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined);
  return { tokens, types };
}

/** Merges are pairs in newer files, and one text in older ones. */
function mergesOf(model: Part): string[] {
  return (model.merges as (string | [string, string])[]).map((m) => (typeof m === "string" ? m : m.join(" ")));
}

function specials(tokenizer: Tokenizer, out: Map<string, GgufValue>): void {
  const { bos, eos, unknown, pad } = tokenizer.special;
  for (const [name, id] of Object.entries({ bos, eos, unknown, padding: pad }))
    if (id !== undefined) out.set(`tokenizer.ggml.${name}_token_id`, { type: "UINT32", value: id });
  const ids = tokenizer.encode("a");
  if (bos !== undefined) out.set("tokenizer.ggml.add_bos_token", { type: "BOOL", value: ids[0] === bos });
  if (eos !== undefined) out.set("tokenizer.ggml.add_eos_token", { type: "BOOL", value: ids.at(-1) === eos });
}
