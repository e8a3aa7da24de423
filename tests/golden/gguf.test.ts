/** GGUF files of the transformers' folders, as llama.cpp's converter lays them out, give the logits of the folders. */
import { existsSync, readdirSync } from "node:fs";
import { loadCore, Model } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ggufOfFolder } from "../support/gguf-of-folder.ts";
import { difference, get, ORACLES, oracle } from "./support.ts";

const FOLDER = `${ORACLES}/huggingface`;
/** Not what the format has keys for: norms before every matrix, Llama 3's scaling without its tensor, int8 activations of packed Llama, float masters of BitNet. */
const OTHER = new Set(["bitnet_norms", "bitnet_online", "llama_llama3", "llama_bitlinear"]);
const CASES = readdirSync(FOLDER).filter((name) => existsSync(`${FOLDER}/${name}/expected.safetensors`) && !OTHER.has(name));

describe("GGUF", () => {
  beforeAll(async () => {
    await loadCore();
  });

  it.each(CASES)("%s", async (name) => {
    await expectSame(name, await ggufOfFolder(`${FOLDER}/${name}`));
  });

  it.skipIf(!CASES.includes("bitnet_offline"))("bitnet_offline with I2_S matrices", async () => {
    await expectSame("bitnet_offline", await ggufOfFolder(`${FOLDER}/bitnet_offline`, "I2_S"));
  });
});

async function expectSame(name: string, file: Uint8Array): Promise<void> {
  const expected = oracle(`huggingface/${name}/expected.safetensors`);
  const tokens = get(expected, "tokens");
  using model = await Model.fromPretrained(file);
  const logits = model.forward({ data: Int32Array.from(tokens.data), shape: tokens.shape });
  expect(difference(logits.data, get(expected, "logits").data)).toBeLessThanOrEqual(1e-4);
}
