/** Every model file of the oracles, read by position and written again, byte for byte as the reference (gguf-py, safetensors) wrote it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memorySink, openGguf, openSafetensors, parseSafetensors, readTensorBytes, writeGguf, writeSafetensors } from "tritlens/io";
import { describe, expect, it } from "vitest";
import { ORACLES } from "./support.ts";

const files = readdirSync(ORACLES, { recursive: true, encoding: "utf8" });
const gguf = files.filter((name) => name.endsWith(".gguf"));
const safetensors = files.filter((name) => name.endsWith(".safetensors"));

it("has cases", () => expect([gguf.length, safetensors.length].every((n) => n > 0)).toBe(true));

describe("GGUF", () => {
  it.each(gguf)("%s", async (name) => {
    const path = join(ORACLES, name);
    const file = await openGguf(path);
    const sink = memorySink();
    const tensors = [...file.tensors.values()].map((t) => ({ name: t.name, type: t.type, shape: t.shape, data: () => readTensorBytes(t) }));
    await writeGguf(sink, { metadata: file.metadata, tensors });
    await file.close();
    expect(Buffer.compare(sink.bytes, readFileSync(path))).toBe(0);
  });
});

describe("safetensors", () => {
  it.each(safetensors)("%s", async (name) => {
    const path = join(ORACLES, name);
    const whole = parseSafetensors(new Uint8Array(readFileSync(path)));
    const file = await openSafetensors(path);
    expect([...file.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    const sink = memorySink();
    const tensors = [...file.tensors.values()].map((t) => ({ name: t.name, dtype: t.dtype, shape: t.shape, data: () => readTensorBytes(t) }));
    await writeSafetensors(sink, { tensors, metadata: file.metadata });
    await file.close();
    expect(Buffer.compare(sink.bytes, readFileSync(path))).toBe(0);
  });
});
