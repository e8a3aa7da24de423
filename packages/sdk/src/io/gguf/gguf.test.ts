import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readTensorBytes } from "../safetensors-reader.ts";
import { memorySink } from "../sink.ts";
import { openGguf } from "./reader.ts";
import { ggufCount, ggufFlag, ggufNumber, ggufText, ggufTexts } from "./values.ts";
import { writeGguf } from "./writer.ts";

/** Written by gguf-py. */
const REFERENCE = fileURLToPath(new URL("../../../../../tests/golden/quantizers/tensors.gguf", import.meta.url));

describe("gguf-py's file", () => {
  it("is read: metadata with its types, tensors with their places", async () => {
    const file = await openGguf(REFERENCE);
    expect(file.version).toBe(3);
    expect(ggufText(file.metadata, "general.architecture")).toBe("bitnet");
    expect(ggufCount(file.metadata, "bitnet.block_count")).toBe(2);
    expect(ggufNumber(file.metadata, "x.y")).toBe(1.5);
    expect(ggufFlag(file.metadata, "flag")).toBe(true);
    expect([...(ggufTexts(file.metadata, "tokenizer.ggml.tokens") ?? [])]).toEqual(["<s>", "</s>", "naïve", "東京"]);
    expect([...file.tensors.values()].map(({ name, type, shape, byteLength }) => [name, type, shape, byteLength])).toEqual([
      ["f32", "F32", [24, 512], 49152],
      ["f16", "F16", [24, 512], 24576],
      ["tq1_0", "TQ1_0", [24, 512], 2592],
      ["tq2_0", "TQ2_0", [24, 512], 3168],
      ["q8_0", "Q8_0", [24, 512], 13056],
      ["q4_0", "Q4_0", [24, 512], 6912],
    ]);
    await file.close();
  });

  it("is written again byte for byte from its own metadata and tensors", async () => {
    const file = await openGguf(REFERENCE);
    const sink = memorySink();
    const tensors = [...file.tensors.values()].map((t) => ({ name: t.name, type: t.type, shape: t.shape, data: () => readTensorBytes(t) }));
    await writeGguf(sink, { metadata: file.metadata, tensors });
    await file.close();
    expect(Buffer.from(sink.bytes).equals(await readFile(REFERENCE))).toBe(true);
  });
});
