/**
 * What this library writes, and what it accepts of the hostile files, read by the gguf and safetensors packages from PyPI (generate/read_files.py).
 * `TRITLENS_PYTHON` names the interpreter (default python3). Skipped, with a notice, where Python or a package is missing.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Gguf,
  GgufStrings,
  type GgufTensorInfo,
  type GgufValue,
  ggmlBytes,
  ggmlTypeNamed,
  ggmlTypeNames,
  openGguf,
  openSafetensors,
  readTensorBytes,
  type StoredDType,
  type StoredTensorInfo,
  writeGguf,
  writeSafetensors,
} from "tritlens/io";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BLIND, Dice } from "../fuzz/engine.ts";
import { moveTensor, setGgufField, setHeaderLength, setHeaderNumber } from "../fuzz/fields.ts";
import { TABLE_G } from "../hostile/gguf.ts";
import type { Row } from "../hostile/row.ts";
import { TABLE_S } from "../hostile/safetensors.ts";

const PYTHON = process.env.TRITLENS_PYTHON ?? "python3";
const SCRIPT = fileURLToPath(new URL("generate/read_files.py", import.meta.url));

interface Seen {
  readonly file: string;
  readonly error?: string;
  readonly tensors: Record<string, [type: string, shape: number[], sha256: string]>;
  readonly metadata: Record<string, unknown>;
}

function read(files: readonly string[]): Seen[] {
  const done = spawnSync(PYTHON, [SCRIPT, ...files], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`${PYTHON} ${SCRIPT}: ${done.stderr || done.error?.message}`);
  return done.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Seen);
}

/** Why the packages cannot be asked, or "". */
function missing(): string {
  const probe = spawnSync(PYTHON, [SCRIPT], { encoding: "utf8" });
  if (probe.error) return probe.error.message;
  // Anything but a missing package is a fault of the script.
  return probe.status === 3 ? probe.stderr.trim() : "";
}

const reason = missing();
if (reason)
  console.warn(`\n!!! NOT TESTED: files against the packages from PyPI (${reason}); pip install gguf safetensors, or set TRITLENS_PYTHON\n`);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tritlens-peers-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * i * 31 + 7 * i) % 251);

async function digests(tensors: Iterable<GgufTensorInfo | StoredTensorInfo>): Promise<Seen["tensors"]> {
  const entries: [string, [string, number[], string]][] = [];
  for (const t of tensors) {
    const sha = createHash("sha256")
      .update(await readTensorBytes(t))
      .digest("hex");
    entries.push([t.name, ["dtype" in t ? t.dtype : t.type, [...t.shape], sha]]);
  }
  return Object.fromEntries(entries);
}

const double = (x: number): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(x);
  return bytes.toString("hex");
};

/** As the script prints it. */
function plain(found: GgufValue): unknown {
  const one = (type: string, value: unknown): unknown =>
    type === "BOOL" ? Boolean(value) : type === "STRING" ? value : type.startsWith("FLOAT") ? double(Number(value)) : String(value);
  if (found.type !== "ARRAY") return one(found.type, found.value);
  return Array.from(found.value as ArrayLike<unknown> & Iterable<unknown>, (value) => one(found.of, value));
}

/** Types of which gguf-py knows nothing (BitNet's and PrismML's forks, and newer ones than its own), or has another size (Q8_1 has none in files). */
const UNKNOWN_TO_PEER = ["I2_S", "PQ2_0", "PTQ1_0", "Q2_0", "Q8_1"];

describe.skipIf(reason !== "")("read by the packages from PyPI", () => {
  it("GGUF tensors of every type", async () => {
    const types = ggmlTypeNames().filter((name) => !UNKNOWN_TO_PEER.includes(name));
    const tensors = types.flatMap((type) => {
      const ggml = ggmlTypeNamed(type);
      const shapes = [
        [3, 512],
        [2, 2, 256],
      ];
      return shapes.map((shape, i) => ({ name: `${type}.${i}`, type, shape, data: () => noise(ggml ? (ggmlBytes(ggml, shape) ?? 0) : 0) }));
    });
    const path = join(folder, "types.gguf");
    await writeGguf(path, { metadata: new Map([["general.architecture", { type: "STRING", value: "llama" }]]), tensors });
    const [seen] = read([path]);
    const file = await openGguf(path);
    expect(seen?.error).toBeUndefined();
    expect(seen?.tensors).toEqual(await digests(file.tensors.values()));
    await file.close();
  });

  it("GGUF metadata of every type, exotic names included", async () => {
    const metadata = new Map<string, GgufValue>([
      ["general.architecture", { type: "STRING", value: "naïve 東京 😀\n" }],
      ["general.alignment", { type: "UINT32", value: 64 }],
      ["u8", { type: "UINT8", value: 200 }],
      ["i8", { type: "INT8", value: -100 }],
      ["u16", { type: "UINT16", value: 60_000 }],
      ["i16", { type: "INT16", value: -30_000 }],
      ["i32", { type: "INT32", value: -2_000_000_000 }],
      ["f32", { type: "FLOAT32", value: Math.fround(0.1) }],
      ["f64", { type: "FLOAT64", value: 0.1 }],
      ["u64", { type: "UINT64", value: 2n ** 64n - 1n }],
      ["i64", { type: "INT64", value: -(2n ** 62n) }],
      ["bool", { type: "BOOL", value: false }],
      ["__proto__", { type: "ARRAY", of: "STRING", value: GgufStrings.from(["", "a", "東"]) }],
      ["numbers", { type: "ARRAY", of: "FLOAT32", value: Float32Array.of(0.5, -1e-3, 3e38) }],
    ]);
    const path = join(folder, "metadata.gguf");
    const names = ["a", "blk.0.attn_q.weight", "東京", "constructor"];
    await writeGguf(path, { metadata, tensors: names.map((name) => ({ name, type: "F32", shape: [2, 3], data: () => noise(24) })) });
    const [seen] = read([path]);
    expect(seen?.error).toBeUndefined();
    expect(Object.entries(seen?.metadata ?? {}).sort()).toEqual([...metadata].map(([key, value]) => [key, plain(value)]).sort());
    expect(Object.keys(seen?.tensors ?? {})).toEqual(names);
  });

  it("safetensors of every type, whatever the order", async () => {
    const widths: Partial<Record<StoredDType, number>> = {
      F64: 8,
      I64: 8,
      U64: 8,
      F32: 4,
      I32: 4,
      U32: 4,
      F16: 2,
      BF16: 2,
      I16: 2,
      U16: 2,
      I8: 1,
      U8: 1,
    };
    const tensors = Object.entries(widths).map(([dtype, width]) => ({
      name: `${dtype} 東"\\\n`,
      dtype: dtype as StoredDType,
      shape: [3, 5],
      data: () => noise(15 * width),
    }));
    const paths = ["given", "reference"].map((order) => join(folder, `${order}.safetensors`));
    await writeSafetensors(paths[0] as string, { tensors: [...tensors].reverse(), order: "given", metadata: new Map([["a", "b"]]) });
    await writeSafetensors(paths[1] as string, { tensors });
    for (const seen of read(paths)) {
      const file = await openSafetensors(seen.file);
      expect(seen.error).toBeUndefined();
      expect(seen.tensors).toEqual(await digests(file.tensors.values()));
      await file.close();
    }
  });

  it("mutated files, as far as this library accepts them", async () => {
    const formats = [
      { ending: "safetensors", seeds: TABLE_S, mutations: [...BLIND, setHeaderLength, setHeaderNumber, moveTensor], open: openSafetensors },
      { ending: "gguf", seeds: TABLE_G, mutations: [...BLIND, setGgufField, setGgufField], open: openGguf },
    ];
    for (const { ending, seeds, mutations, open } of formats) {
      const good = seeds.filter((row) => row.verdict !== "refused").map((row) => row.bytes());
      const small = good.filter((bytes) => bytes.length < 1 << 14);
      const accepted: { path: string; tensors: Seen["tensors"] }[] = [];
      for (let i = 0; i < 20_000 && accepted.length < 500; i++) {
        const dice = new Dice(i);
        const bytes = dice.pick(mutations)(dice.pick(small), dice);
        const file = await open(bytes).catch(() => undefined);
        if (!file) continue;
        const path = join(folder, `${i}.${ending}`);
        writeFileSync(path, bytes);
        accepted.push({ path, tensors: await digests(file.tensors.values()) });
      }
      expect(accepted.length).toBeGreaterThan(100);
      const seen = read(accepted.map(({ path }) => path));
      for (const [i, { tensors }] of accepted.entries()) {
        const peer = seen[i] as Seen;
        // gguf-py decodes every string as UTF-8, and knows fewer types.
        if (ending === "gguf" && /UnicodeDecodeError|is not a valid GGMLQuantizationType/.test(peer.error ?? "")) continue;
        expect(peer.error, peer.file).toBeUndefined();
        expect(peer.tensors, peer.file).toEqual(tensors);
      }
    }
  });

  it("the hostile files that this library accepts", async () => {
    // gguf-py decodes every string as UTF-8; 100 000 tensors only take time.
    const skipped = ["24_str_not_utf8", "70_100k_tensors"];
    const place = (row: Row, ending: string) => {
      const path = join(folder, `${row.id}.${ending}`);
      writeFileSync(path, row.bytes());
      return path;
    };
    const open = (rows: readonly Row[], ending: string) =>
      rows.filter((row) => row.verdict !== "refused" && !skipped.includes(row.id)).map((row) => place(row, ending));
    const paths = [...open(TABLE_G, "gguf"), ...open(TABLE_S, "safetensors")];
    for (const seen of read(paths)) {
      const file = seen.file.endsWith(".gguf") ? await openGguf(seen.file) : await openSafetensors(seen.file);
      expect(seen.error, seen.file).toBeUndefined();
      expect(seen.tensors, seen.file).toEqual(await digests((file as Gguf).tensors.values()));
      await file.close();
    }
  });
});
