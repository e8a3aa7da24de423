import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openGguf } from "./gguf/reader.ts";
import { GgufStrings, type GgufValue } from "./gguf/values.ts";
import { type GgufItem, writeGguf } from "./gguf/writer.ts";
import { openSafetensors, readTensorBytes } from "./safetensors-reader.ts";
import { type SafetensorsItem, writeSafetensors } from "./safetensors-writer.ts";
import { memorySink } from "./sink.ts";
import type { LoadProgress } from "./source/source.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens é "));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (7 * i) % 256);
const EXOTIC = ["", "__proto__", "<img onerror=x>", "../../etc/x", "\u001b]0;x", 'a"\\\n\t', "東京 naïve 😀", "constructor"];

describe("safetensors", () => {
  const item = (name: string, length = 4): SafetensorsItem => ({ name, dtype: "U8", shape: [length], data: () => bytes(length) });

  it("keep names, metadata and bytes of every element type, in both orders", async () => {
    const widths = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
    const typed = Object.entries(widths).map(
      ([dtype, width]): SafetensorsItem => ({ name: `t.${dtype}`, dtype: dtype as keyof typeof widths, shape: [3, 1], data: () => bytes(3 * width) }),
    );
    const tensors = [...EXOTIC.map((name) => item(name)), ...typed];
    const metadata = new Map(EXOTIC.map((name) => [name, `${name}!`]));
    for (const order of ["given", "reference"] as const) {
      const sink = memorySink();
      const written = await writeSafetensors(sink, { tensors, metadata, order });
      const back = await openSafetensors(sink.bytes);
      expect(written).toBe(sink.bytes.length);
      expect(back.metadata).toEqual(metadata);
      expect(back.tensors.size).toBe(tensors.length);
      for (const t of tensors) expect(await readTensorBytes(back.tensors.get(t.name)!)).toEqual(await t.data());
      if (order === "given") expect([...back.tensors.keys()]).toEqual(tensors.map((t) => t.name));
    }
  });

  it("refuse what no reader would take", async () => {
    const write = (...tensors: SafetensorsItem[]) => writeSafetensors(memorySink(), { tensors });
    await expect(write(item("a"), item("a"))).rejects.toMatchObject({ code: "E_NAME" });
    await expect(write(item("__metadata__"))).rejects.toMatchObject({ code: "E_NAME" });
    await expect(write(item("\ud800"))).rejects.toMatchObject({ code: "E_FORMAT" });
    await expect(write({ ...item("a"), dtype: "Q4_0" as "U8" })).rejects.toMatchObject({ code: "E_FORMAT" });
    await expect(write({ ...item("a"), shape: [-4] })).rejects.toMatchObject({ code: "E_FORMAT" });
    await expect(write({ ...item("a"), data: () => bytes(3) })).rejects.toMatchObject({ code: "E_SHAPE", expected: "4 bytes", found: "3 bytes" });
  });
});

describe("GGUF", () => {
  const item = (name: string, more: Partial<GgufItem> = {}): GgufItem => ({ name, type: "F32", shape: [2], data: () => bytes(8), ...more });
  const metadata = new Map<string, GgufValue>([
    ["u8", { type: "UINT8", value: 255 }],
    ["i8", { type: "INT8", value: -128 }],
    ["u16", { type: "UINT16", value: 65535 }],
    ["i16", { type: "INT16", value: -32768 }],
    ["u32", { type: "UINT32", value: 2 ** 32 - 1 }],
    ["i32", { type: "INT32", value: -(2 ** 31) }],
    ["f32", { type: "FLOAT32", value: Math.fround(0.1) }],
    ["f64", { type: "FLOAT64", value: 0.1 }],
    ["u64", { type: "UINT64", value: 2n ** 64n - 1n }],
    ["u64 small", { type: "UINT64", value: 7 }],
    ["i64", { type: "INT64", value: -(2n ** 63n) }],
    ["bool", { type: "BOOL", value: true }],
    ["text", { type: "STRING", value: EXOTIC.join("\0") }],
    ["bytes", { type: "STRING", value: Uint8Array.of(0xff, 0, 0x80) }],
    ["__proto__", { type: "ARRAY", of: "INT16", value: Int16Array.of(-1, 2) }],
    ["bools", { type: "ARRAY", of: "BOOL", value: Uint8Array.of(0, 1) }],
    ["wide", { type: "ARRAY", of: "INT64", value: BigInt64Array.of(-1n, 2n ** 62n) }],
    ["none", { type: "ARRAY", of: "FLOAT32", value: new Float32Array(0) }],
  ]);

  it("keeps names, metadata of every type, and bytes", async () => {
    const names = EXOTIC.filter((name) => !name.includes("\0"));
    const words = [...EXOTIC, Uint8Array.of(0xff, 0xfe)];
    const all = new Map([...metadata, ["words", { type: "ARRAY", of: "STRING", value: GgufStrings.from(words) }] as const]);
    const sink = memorySink();
    await writeGguf(sink, { metadata: all, tensors: [...names.map((n) => item(n)), item("scalar", { shape: [], data: () => bytes(4) })] });
    const back = await openGguf(sink.bytes);
    expect([...back.metadata.keys()]).toEqual([...all.keys()]);
    for (const [key, value] of metadata) expect(back.metadata.get(key), key).toEqual(value);
    const found = back.metadata.get("words")?.value as GgufStrings;
    expect([...found].slice(0, -1)).toEqual(EXOTIC);
    expect(found.bytes(EXOTIC.length)).toEqual(Uint8Array.of(0xff, 0xfe));
    expect(() => found.at(99)).toThrow(/E_RANGE/);
    for (const name of names) expect(await readTensorBytes(back.tensors.get(name)!)).toEqual(bytes(8));
  });

  it("begins tensors where general.alignment says", async () => {
    const sink = memorySink();
    await writeGguf(sink, { metadata: new Map([["general.alignment", { type: "UINT32", value: 256 }]]), tensors: [item("a"), item("b")] });
    const back = await openGguf(sink.bytes);
    expect([...back.tensors.values()].map((t) => t.offset % 256)).toEqual([0, 0]);
    expect(sink.bytes.length % 256).toBe(0);
  });

  it("refuses what no reader would take", async () => {
    const write = (tensors: GgufItem[], key = "k", value: GgufValue = { type: "UINT8", value: 1 }) =>
      writeGguf(memorySink(), { metadata: new Map([[key, value]]), tensors });
    await expect(write([item("a"), item("a")])).rejects.toMatchObject({ code: "E_NAME" });
    await expect(write([item("a".repeat(65))])).rejects.toMatchObject({ code: "E_NAME", found: "65 bytes" });
    await expect(write([item("a\0b")])).rejects.toMatchObject({ code: "E_NAME" });
    await expect(write([item("a", { type: "TQ2_1" })])).rejects.toMatchObject({ code: "E_NAME", nearest: expect.stringContaining("TQ2_0") });
    await expect(write([item("a", { type: "Q4_0", shape: [1, 31] })])).rejects.toMatchObject({ code: "E_SHAPE" });
    await expect(write([item("a", { shape: [1, 1, 1, 1, 2] })])).rejects.toMatchObject({ code: "E_SHAPE" });
    await expect(write([], "")).rejects.toMatchObject({ code: "E_NAME" });
    for (const value of [256, -1, 0.5, Number.NaN])
      await expect(write([], "k", { type: "UINT8", value })).rejects.toMatchObject({ code: "E_RANGE", found: String(value) });
    await expect(write([], "k", { type: "INT64", value: 2n ** 63n })).rejects.toMatchObject({ code: "E_RANGE" });
    await expect(write([], "general.alignment", { type: "UINT32", value: 3 })).rejects.toMatchObject({ code: "E_FORMAT" });
  });
});

describe("a path", () => {
  const tensors = (data: SafetensorsItem["data"] = () => bytes(1 << 20)): SafetensorsItem[] => [
    { name: "a", dtype: "U8", shape: [1 << 20], data: () => bytes(1 << 20) },
    { name: "b", dtype: "U8", shape: [1 << 20], data },
  ];
  const before = async (): Promise<string> => {
    const path = join(folder, "model.safetensors");
    await writeFile(path, "before");
    return path;
  };
  const untouched = async (path: string): Promise<void> => {
    expect(await readFile(path, "utf8")).toBe("before");
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
  };

  it("holds what it held when a tensor, the callback or the signal stops the writing", async () => {
    const path = await before();
    const failing = () => Promise.reject(new Error("no data"));
    await expect(writeSafetensors(path, { tensors: tensors(failing) })).rejects.toThrow("no data");
    await untouched(path);
    const onProgress = ({ loaded }: LoadProgress) => void (loaded > 1 << 20 && expect.unreachable("thrown by the callback"));
    await expect(writeSafetensors(path, { tensors: tensors() }, { onProgress })).rejects.toThrow("thrown by the callback");
    await untouched(path);
    const abort = new AbortController();
    const aborting = () => {
      abort.abort();
      return bytes(1 << 20);
    };
    await expect(writeSafetensors(path, { tensors: tensors(aborting) }, { signal: abort.signal })).rejects.toMatchObject({ code: "E_ABORTED" });
    await untouched(path);
  });

  // The limit stands for a full disk: the system refuses the same writes, with EFBIG instead of ENOSPC.
  it.runIf(process.platform === "linux")("holds what it held when the disk is full", async () => {
    const path = await before();
    const limit = (size: string) => execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${size}:`]);
    limit(String(1 << 20));
    try {
      await expect(writeSafetensors(path, { tensors: tensors() })).rejects.toThrow(/E_IO.*EFBIG/);
      await expect(
        writeGguf(path, { metadata: new Map(), tensors: [{ name: "a", type: "I8", shape: [2 << 20], data: () => bytes(2 << 20) }] }),
      ).rejects.toThrow(/E_IO/);
    } finally {
      limit("unlimited");
    }
    await untouched(path);
  });

  it("is replaced when all is written", async () => {
    const path = await before();
    const events: string[] = [];
    await writeSafetensors(path, { tensors: tensors() }, { onProgress: ({ status, progress }) => events.push(`${status} ${Math.round(progress)}`) });
    expect(events).toEqual(["initiate 0", "progress 0", "progress 50", "progress 100", "done 100"]);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
    const back = await openSafetensors(path);
    expect(await readTensorBytes(back.tensors.get("b")!)).toEqual(bytes(1 << 20));
    await back.close();
  });
});
