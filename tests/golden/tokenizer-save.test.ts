/** Tokenizers go with the models that are written: from folders into GGUF files and back, with the same tokens for the references' texts. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GgufStrings, type GgufValue, loadCore, Model, memorySink, openGguf, saveModel, type Tokenizer, writeGguf } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ORACLES } from "./support.ts";

interface Expected {
  readonly text: string;
  readonly ids: number[];
}

let scratch: string;
let count = 0;
const fresh = (): string => join(scratch, `model-${count++}`);

beforeAll(async () => {
  await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-tokenizers-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function small(dVocab: number): Model {
  return Model.fromConfig({
    ...{ nLayers: 1, dModel: 16, dHead: 8, nHeads: 2, dMlp: 16, nCtx: 8, dVocab, normalization: "RMS", actFn: "silu", gatedMlp: true },
    ...{ positions: "rotary", attnBias: false, mlpBias: false, unembedBias: false },
  });
}

function expectCases(model: Model, cases: readonly Expected[]): void {
  const tokenizer = model.tokenizer as Tokenizer;
  for (const { text, ids } of cases) expect(tokenizer.encode(text), text).toEqual(ids);
}

it("a folder's tokenizer, in a GGUF and in a folder again", async () => {
  const source = `${ORACLES}/huggingface/tokenizer`;
  const cases = JSON.parse(readFileSync(`${source}/expected.json`, "utf8")) as Expected[];
  const [folder, gguf, again] = [fresh(), fresh(), fresh()];
  await saveModel(small(450), folder, { format: "safetensors" });
  copyFileSync(`${source}/tokenizer.json`, join(folder, "tokenizer.json"));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify({ eos_token: "<|endoftext|>", chat_template: "{{ messages }}" }));
  using model = await Model.fromPretrained(folder);
  expectCases(model, cases);
  expect((await saveModel(model, gguf, { format: "gguf" })).notes).toEqual([]);
  using fromGguf = await Model.fromPretrained(gguf);
  expectCases(fromGguf, cases);
  expect(fromGguf.tokenizer?.special.eos).toBe(model.tokenizer?.special.eos);
  expect(fromGguf.tokenizer?.chatTemplate).toBe("{{ messages }}");
  expect((await saveModel(fromGguf, again, { format: "safetensors" })).files).toEqual([
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
  ]);
  using fromFolder = await Model.fromPretrained(again);
  expectCases(fromFolder, cases);
  expect(fromFolder.tokenizer?.special.eos).toBe(model.tokenizer?.special.eos);
});

/** Made by generate/vocabularies.py. */
const here = fileURLToPath(new URL("tokenizers/", import.meta.url));

function stored(key: string, value: unknown): GgufValue {
  if (typeof value === "string") return { type: "STRING", value };
  if (typeof value === "boolean") return { type: "BOOL", value };
  if (typeof value === "number") return { type: "UINT32", value };
  if (key.endsWith("scores")) return { type: "ARRAY", of: "FLOAT32", value: Float32Array.from(value as number[]) };
  if (key.endsWith("token_type")) return { type: "ARRAY", of: "INT32", value: Int32Array.from(value as number[]) };
  return { type: "ARRAY", of: "STRING", value: GgufStrings.from(value as string[]) };
}

const vocabularies = (kind: string): [string][] =>
  readdirSync(here).flatMap((name) => (name.startsWith(kind) ? [[name.replace(".json", "")] as [string]] : []));

describe.each(vocabularies("json-"))("%s", (name) => {
  it("stays out of a GGUF, with a note", async () => {
    const folder = fresh();
    await saveModel(small(1000), folder, { format: "safetensors" });
    const { tokenizer } = JSON.parse(readFileSync(`${here}/${name}.json`, "utf8")) as { tokenizer: unknown };
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
    using model = await Model.fromPretrained(folder);
    const { notes } = await saveModel(model, fresh(), { format: "gguf" });
    expect(notes).toEqual([expect.stringMatching(/the tokenizer was left out: E_SPEC.*expected byte-level BPE/)]);
  });
});

describe.each(vocabularies("gguf-"))("%s", (name) => {
  it("in a folder, and in a GGUF again", async () => {
    const file = JSON.parse(readFileSync(`${here}/${name}.json`, "utf8")) as { metadata: Record<string, unknown>; cases: Expected[] };
    const vocab = (file.metadata["tokenizer.ggml.tokens"] as string[]).length;
    const sink = memorySink();
    await saveModel(small(vocab), () => sink, { format: "gguf" });
    const bare = await openGguf(sink.bytes);
    const extra = Object.entries(file.metadata).map(([key, value]) => [key, stored(key, value)] as const);
    const tensors = [...bare.tensors.values()].map((t) => ({ ...t, data: () => sink.bytes.subarray(t.offset, t.offset + t.byteLength) }));
    const [gguf, folder, again] = [fresh(), fresh(), fresh()];
    await writeGguf(gguf, { metadata: new Map([...bare.metadata, ...extra]), tensors });
    using model = await Model.fromPretrained(gguf);
    expectCases(model, file.cases);
    const { notes } = await saveModel(model, folder, { format: "safetensors" });
    if (file.metadata["tokenizer.ggml.model"] === "llama") {
      expect(notes).toEqual([expect.stringMatching(/the tokenizer was left out: E_SPEC.*byte-level BPE/)]);
      return;
    }
    expect(notes).toEqual([]);
    using fromFolder = await Model.fromPretrained(folder);
    expectCases(fromFolder, file.cases);
    expect(fromFolder.tokenizer?.special.bos).toBe(model.tokenizer?.special.bos);
    const saved = await saveModel(fromFolder, again, { format: "gguf" });
    if (name === "gguf-default") {
      expect(saved.notes).toEqual([expect.stringMatching(/left out: E_SPEC.*a name for/)]);
      return;
    }
    expect(saved.notes).toEqual([]);
    using fromGguf = await Model.fromPretrained(again);
    expectCases(fromGguf, file.cases);
  });
});
