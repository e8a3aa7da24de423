/** The tokenizer of a Hugging Face folder. */
import { TritlensError } from "../core/errors.ts";
import { asRecord, bad, checkTokenizerJson } from "./check.ts";
import { makeTokenizer, type TokenizerJson } from "./library.ts";
import type { SpecialTokens, Tokenizer } from "./types.ts";

/** Reads a file of the folder; undefined when there is none. More than `most` bytes are refused, so a longer file need not be read whole. */
export type FolderReader = (name: string, most: number) => Promise<Uint8Array | undefined>;

/** The largest tokenizer files have about 35 MB. */
const MAX_BYTES = 256 << 20;

/**
 * Makes the tokenizer of a folder from tokenizer.json, with the special tokens of tokenizer_config.json (else special_tokens_map.json, generation_config.json and
 * config.json) and the chat template of chat_template.jinja, chat_template.json or tokenizer_config.json.
 *
 * The patterns in a tokenizer.json are regular expressions and run as such: a malicious one can be slow on purpose. Take files from where you would take code.
 *
 * @param read - Gives the bytes of a file.
 * @returns undefined when there is no tokenizer.json.
 * @throws E_FORMAT when one of the files is malformed, and what `read` throws.
 */
export async function tokenizerFromFolder(read: FolderReader): Promise<Tokenizer | undefined> {
  const main = await readJson(read, "tokenizer.json");
  if (main === undefined) return undefined;
  const json = checkTokenizerJson(main);
  const [config, map, generation, model] = await Promise.all(
    ["tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "config.json"].map(async (name) =>
      asRecord((await readJson(read, name)) ?? {}, name),
    ),
  );
  const ids = idsOf(json);
  const named = (key: string): number | undefined =>
    first([contentOf(config?.[key]), contentOf(map?.[key])].map((content) => (content === undefined ? undefined : ids(content)))) ??
    first([generation, model].flatMap((file) => numbers(file?.[`${key}_id`])));
  const eos = named("eos_token");
  const ends = new Set([...(eos === undefined ? [] : [eos]), ...numbers(generation?.eos_token_id), ...numbers(model?.eos_token_id)]);
  const special: SpecialTokens = {
    ...optional("bos", named("bos_token")),
    ...optional("eos", eos),
    ...optional("unknown", named("unk_token")),
    ...optional("pad", named("pad_token")),
    ends: [...ends],
  };
  const chatTemplate = await templateOf(read, config ?? {});
  return makeTokenizer({ kind: "tokenizer.json", json, special, ...optional("chatTemplate", chatTemplate) });
}

async function readBytes(read: FolderReader, name: string): Promise<string | undefined> {
  const bytes = await read(name, MAX_BYTES);
  if (bytes === undefined) return undefined;
  if (bytes.length > MAX_BYTES) throw bad(`${name} is too large`, `at most ${MAX_BYTES} bytes`, "more");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new TritlensError("E_FORMAT", `${name} is no UTF-8`, { cause });
  }
}

async function readJson(read: FolderReader, name: string): Promise<unknown> {
  const text = await readBytes(read, name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new TritlensError("E_FORMAT", `${name} is no JSON`, { found: (cause as Error).message, cause });
  }
}

/** Ids by content: added tokens go before the vocabulary. */
function idsOf(json: TokenizerJson): (content: string) => number | undefined {
  const added = new Map((json.added_tokens as { content: string; id: number }[]).map((t) => [t.content, t.id]));
  const vocab = json.model.vocab;
  return (content) => {
    if (added.has(content)) return added.get(content);
    if (Array.isArray(vocab)) return first([vocab.findIndex((entry) => (entry as [string])[0] === content)].filter((i) => i >= 0));
    return Object.hasOwn(vocab as object, content) ? (vocab as Record<string, number>)[content] : undefined;
  };
}

/** A special token is written as text or as an object with `content`. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = typeof token === "object" && token !== null ? (token as { content?: unknown }).content : undefined;
  return typeof content === "string" ? content : undefined;
}

function numbers(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter((x): x is number => Number.isInteger(x) && (x as number) >= 0);
}

function first<T>(values: readonly (T | undefined)[]): T | undefined {
  return values.find((x) => x !== undefined);
}

/** An object with the key when there is a value, for properties that are left out rather than undefined. */
export function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

async function templateOf(read: FolderReader, config: Record<string, unknown>): Promise<string | undefined> {
  const jinja = await readBytes(read, "chat_template.jinja");
  if (jinja !== undefined) return jinja;
  const json = await readJson(read, "chat_template.json");
  const stored = json === undefined ? config.chat_template : asRecord(json, "chat_template.json").chat_template;
  if (!Array.isArray(stored)) return typeof stored === "string" ? stored : undefined;
  const named = stored.map((entry) => asRecord(entry, "a chat template"));
  const chosen = named.find((entry) => entry.name === "default") ?? named[0];
  return typeof chosen?.template === "string" ? chosen.template : undefined;
}
