import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readTensorBytes } from "../safetensors-reader.ts";
import { memorySink } from "../sink.ts";
import { openGguf, requireWholeAndPlain } from "./reader.ts";
import { ggmlBytes, ggmlTypeNamed } from "./types.ts";
import { type GgufMetadata, type GgufValue, ggufCount, ggufFlag, ggufNumber, ggufNumbers, ggufText, ggufTexts } from "./values.ts";
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

/** A file with these tensors, opened. */
async function opened(metadata: GgufMetadata, ...types: string[]) {
  const sink = memorySink();
  const bytes = (type: string) => new Uint8Array(ggmlBytes(ggmlTypeNamed(type)!, [1, 256]) ?? 0);
  await writeGguf(sink, { metadata, tensors: types.map((type) => ({ name: `t.${type}`, type, shape: [1, 256], data: () => bytes(type) })) });
  return openGguf(sink.bytes);
}

describe("what opens and cannot be run", () => {
  it("is refused with its reason", async () => {
    const one = (key: string, value: GgufValue) => new Map([[key, value]]);
    for (const type of ["PQ2_0", "PTQ1_0"])
      await expect(opened(new Map(), type).then(requireWholeAndPlain)).rejects.toThrow(new RegExp(`E_FORMAT.*Bonsai 2.*${type}`));
    await expect(opened(one("prism.hadamard.block_size", { type: "UINT32", value: 1024 }), "F32").then(requireWholeAndPlain)).rejects.toThrow(
      /E_FORMAT.*Bonsai 2.*prism\.hadamard\.block_size/,
    );
    await expect(opened(one("split.count", { type: "UINT16", value: 3 }), "F32").then(requireWholeAndPlain)).rejects.toThrow(
      /E_FORMAT.*--merge.*3 parts/,
    );
    requireWholeAndPlain(await opened(one("split.count", { type: "UINT16", value: 1 }), "F32", "IQ2_XXS", "Q1_0"));
  });
});

describe("sizes", () => {
  const bytes = (type: string, ...shape: number[]) => ggmlBytes(ggmlTypeNamed(type)!, shape);
  it("count blocks a row, and the tail of I2_S once", () => {
    expect(bytes("F16")).toBe(2);
    expect(bytes("TQ1_0", 3, 512)).toBe(3 * 2 * 54);
    expect(bytes("I2_S", 3, 128)).toBe(96 + 32);
    expect(bytes("I2_S", 0, 128)).toBe(0);
    // Together whole blocks, but not each row.
    expect(bytes("Q4_0", 32, 31)).toBeUndefined();
    expect(bytes("F32", 2 ** 32, 2 ** 32, 0)).toBeUndefined();
    expect(bytes("F32", 2 ** 51)).toBeUndefined();
  });
});

describe("typed metadata", () => {
  const metadata: GgufMetadata = new Map<string, GgufValue>([
    ["count", { type: "UINT64", value: 7 }],
    ["huge", { type: "UINT64", value: 2n ** 60n }],
    ["negative", { type: "INT32", value: -1 }],
    ["float", { type: "FLOAT32", value: 2 }],
    ["bytes", { type: "STRING", value: Uint8Array.of(0x61, 0xff) }],
    ["scores", { type: "ARRAY", of: "INT8", value: Int8Array.of(1) }],
  ]);
  it("is never read as another type", () => {
    expect(ggufCount(metadata, "count")).toBe(7);
    expect(ggufCount(metadata, "missing")).toBeUndefined();
    expect(ggufText(metadata, "bytes")).toBe("a\ufffd");
    expect(ggufNumbers(metadata, "scores", ["INT8"])).toEqual(Int8Array.of(1));
    for (const wrong of [
      () => ggufNumber(metadata, "huge"),
      () => ggufCount(metadata, "negative"),
      () => ggufCount(metadata, "float"),
      () => ggufText(metadata, "count"),
      () => ggufFlag(metadata, "count"),
      () => ggufTexts(metadata, "scores"),
      () => ggufNumbers(metadata, "scores", ["FLOAT32"]),
    ])
      expect(wrong).toThrow(/E_FORMAT: metadata ".*expected.*found/);
  });
});
