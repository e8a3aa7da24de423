/** Every checkpoint of the oracles, written in each format it fits into and read back: the same logits. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore, loadPretrained, Model, parseSafetensors, saveModel, type StoredTensor, toTensor } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { difference, ORACLES, oracle } from "./support.ts";

const FOLDER = `${ORACLES}/huggingface`;
const CASES = readdirSync(FOLDER).filter((name) => existsSync(`${FOLDER}/${name}/expected.safetensors`));
/** Sums of products in another order (a matrix kept in another format may run through another kernel). */
const TOL = 1e-5;
let scratch: string;

beforeAll(async () => {
  await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-save-"));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function tokensOf(name: string): number[][] {
  const t = toTensor(oracle(`huggingface/${name}/expected.safetensors`).get("tokens") as StoredTensor);
  const width = t.shape[1] as number;
  return Array.from({ length: t.shape[0] as number }, (_, r) => [...t.data.subarray(r * width, (r + 1) * width)]);
}

async function expectSame(model: Model, path: string, tokens: number[][]): Promise<void> {
  using back = await loadPretrained(path);
  expect(difference(back.forward(tokens).data, model.forward(tokens).data)).toBeLessThanOrEqual(TOL);
}

describe.each(CASES)("%s", (name) => {
  it("as GGUF", async () => {
    using model = await loadPretrained(`${FOLDER}/${name}`);
    const path = join(scratch, `${name}.gguf`);
    if (model.config?.linearNorm) {
      // GGUF has no names for norms of single matrices.
      await expect(saveModel(model, path, { format: "gguf" })).rejects.toThrow(/E_SPEC.*linearNorm/);
      return;
    }
    await saveModel(model, path, { format: "gguf" });
    await expectSame(model, path, tokensOf(name));
  });

  it("as a folder of transformers", async () => {
    using model = await loadPretrained(`${FOLDER}/${name}`);
    const packed = model.config?.actQuant === "int8";
    const path = join(scratch, name);
    if (packed) await expect(saveModel(model, path, { format: "safetensors" })).rejects.toThrow(/E_MODE.*int8/);
    await saveModel(model, path, { format: packed ? "hf-bitnet" : "safetensors" });
    await expectSame(model, path, tokensOf(name));
  });
});
