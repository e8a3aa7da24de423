/** Token ids and decoded texts of the reference tokenizer libraries. */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { GgufStrings, type GgufValue, type Tokenizer, tokenizerFromFolder, tokenizerFromGguf } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ORACLES } from "./support.ts";

interface Expected {
  readonly text: string;
  readonly ids: number[];
  readonly decoded: string;
}

/** Every piece of a stream is whole text, and together they are the decoded text. */
function expectStream(tokenizer: Tokenizer, ids: number[], decoded: string): void {
  const stream = tokenizer.stream({ skipSpecialTokens: false });
  const pieces = ids.map((id) => stream.push(id));
  expect(pieces.join("")).not.toContain("\uFFFD");
  expect(pieces.join("") + stream.end()).toBe(decoded);
}

const folder = `${ORACLES}/huggingface/tokenizer`;
const cases = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8")) as Expected[];

describe("a Hugging Face tokenizer", () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = (await tokenizerFromFolder((name) => readFile(`${folder}/${name}`).catch(() => undefined))) as Tokenizer;
  });

  it("has cases", () => {
    expect(cases.length).toBeGreaterThan(3);
  });

  it.each(cases)("tokenizes $text as the reference does", ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expectStream(tokenizer, ids, decoded);
  });
});

/** Made by generate/vocabularies.py; the oracles have no GGUF vocabularies, so these do not move with TRITLENS_ORACLES. */
const here = fileURLToPath(new URL("tokenizers/", import.meta.url));

/** A value with the type that converters write. */
function stored(key: string, value: unknown): GgufValue {
  if (typeof value === "string") return { type: "STRING", value };
  if (typeof value === "boolean") return { type: "BOOL", value };
  if (typeof value === "number") return { type: "UINT32", value };
  if (key.endsWith("scores")) return { type: "ARRAY", of: "FLOAT32", value: Float32Array.from(value as number[]) };
  if (key.endsWith("token_type")) return { type: "ARRAY", of: "INT32", value: Int32Array.from(value as number[]) };
  return { type: "ARRAY", of: "STRING", value: GgufStrings.from(value as string[]) };
}

describe.each(readdirSync(here).map((name) => [name.replace(".json", "")]))("%s", (name) => {
  const file = JSON.parse(readFileSync(`${here}/${name}.json`, "utf8")) as {
    metadata?: Record<string, unknown>;
    tokenizer?: unknown;
    cases: Expected[];
  };
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    const values = Object.entries(file.metadata ?? {}).map(([key, value]): [string, GgufValue] => [key, stored(key, value)]);
    const json = new TextEncoder().encode(JSON.stringify(file.tokenizer));
    const made = file.metadata
      ? tokenizerFromGguf(new Map(values))
      : tokenizerFromFolder(async (wanted) => (wanted === "tokenizer.json" ? json : undefined));
    tokenizer = (await made) as Tokenizer;
  });

  it.each(file.cases)("tokenizes $text as the reference does", ({ text, ids, decoded }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expectStream(tokenizer, ids, decoded);
  });
});
