/**
 * How byte-level vocabularies cut text before merging, by the name that a GGUF gives (`tokenizer.ggml.pre`). The patterns are those of the models' own
 * tokenizer.json files; where llama.cpp has a pattern of its own (`default`), it is that one.
 */
import { type TritlensError, unknownName } from "../core/errors.ts";

/** A cut: its patterns in order, each applied to the pieces that the ones before left. */
interface Cut {
  readonly patterns: readonly string[];
  /** A word that is a token is taken as it is, whatever the merges say. */
  readonly wholeWords?: true;
  /** Text is brought into Unicode's composed form first. */
  readonly composed?: true;
  /** A text begins with `bos` unless the file says otherwise. */
  readonly addsBos?: true;
}

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const modern = (digits: string): string =>
  String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const CUTS = {
  gpt2: { patterns: [GPT2] },
  llama3: { patterns: [modern(String.raw`\p{N}{1,3}`)], wholeWords: true, addsBos: true },
  dbrx: { patterns: [modern(String.raw`\p{N}{1,3}`)] },
  qwen2: { patterns: [modern(String.raw`\p{N}`)], composed: true },
  stablelm2: { patterns: [modern(String.raw`\p{N}`)] },
  digits: { patterns: [String.raw`\p{N}`, GPT2] },
  default: { patterns: [String.raw`[\p{P}\$\+<=>\^~\|]+`, GPT2, String.raw`\p{N}+`, "[0-9][0-9][0-9]"] },
} satisfies Record<string, Cut>;

const NAMES: ReadonlyMap<string, keyof typeof CUTS> = new Map([
  ["default", "default"],
  ...(["gpt-2", "phi-2", "mpt", "olmo", "jais", "jina-v1-en", "jina-v2-code", "jina-es", "jina-de", "roberta-bpe", "exaone4"] as const).map(
    (name) => [name, "gpt2"] as const,
  ),
  ...(["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"] as const).map((name) => [name, "llama3"] as const),
  ...(["dbrx", "smaug-bpe"] as const).map((name) => [name, "dbrx"] as const),
  ...(["qwen2", "deepseek-r1-qwen", "megrez"] as const).map((name) => [name, "qwen2"] as const),
  ["stablelm2", "stablelm2"],
  ...(["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"] as const).map((name) => [name, "digits"] as const),
]);

/** The cut of a name. @throws E_NAME with the nearest known names: a wrong cut gives wrong tokens in silence. */
export function cutOf(name: string): Cut {
  const cut = NAMES.get(name);
  if (cut === undefined) throw unknownName("pre-tokenizer (tokenizer.ggml.pre)", name, NAMES.keys());
  return CUTS[cut];
}

/**
 * The name that llama.cpp's converters give a cut: the other way round.
 *
 * @param patterns - Regular expressions of a tokenizer.json, in order.
 * @returns undefined for a cut without a name.
 */
export function nameOfCut(patterns: readonly string[], wholeWords: boolean, composed: boolean): string | undefined {
  const same = (cut: Cut): boolean =>
    cut.patterns.length === patterns.length &&
    cut.patterns.every((p, i) => p === patterns[i]) &&
    (cut.wholeWords ?? false) === wholeWords &&
    (cut.composed ?? false) === composed;
  const kind = (Object.keys(CUTS) as (keyof typeof CUTS)[]).find((key) => same(CUTS[key]));
  // `default` is llama.cpp's own pattern, for files that name nothing.
  return [...NAMES].find(([name, of]) => of === kind && name !== "default")?.[0];
}

/** The pattern of byte-level pre-tokenizers that are given none. */
export const BYTE_LEVEL_PATTERN: string = GPT2;

/** The `pre_tokenizer` of a tokenizer.json for a cut. */
export function preTokenizer({ patterns }: Cut): object {
  const splits = patterns.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }));
  return { type: "Sequence", pretokenizers: [...splits, { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false }] };
}

/** E_NAME for a vocabulary of a kind that cannot be read. */
export function unsupportedModel(name: string): TritlensError {
  return unknownName("tokenizer model (tokenizer.ggml.model)", name, ["gpt2", "llama", "none"]);
}
