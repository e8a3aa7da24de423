/**
 * GGUF files that this library writes, read by the gguf package from PyPI: the same metadata, and every tensor's values bit for bit. Needs a Python with the package (`TRITLENS_PYTHON` names one);
 * where there is none, a notice says so and nothing is tested.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Core, convertModel, decodeFloats, type GgmlType, ggmlTypeNamed, loadCore, loadPretrained, Model, openGguf, saveModel } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ORACLES } from "./support.ts";

const python = process.env.TRITLENS_PYTHON ?? "python3";
const there = spawnSync(python, ["-c", "import gguf"]).status === 0;
if (!there)
  process.stderr.write(`notice: ${python} has no package gguf, so files are not read with it (pip install gguf; TRITLENS_PYTHON names a Python)\n`);

interface Read {
  readonly fields: Record<string, unknown>;
  readonly tensors: Record<string, { type: string; shape: number[]; of: "values" | "bytes"; sha256: string }>;
}

let core: Core;
let scratch: string;
const paths: string[] = [];

/** A model with matrices of whole blocks. */
const wide = {
  nLayers: 1,
  dModel: 256,
  dHead: 64,
  nHeads: 4,
  nKeyValueHeads: 2,
  dMlp: 512,
  nCtx: 16,
  dVocab: 20,
  normalization: "RMS",
  normEps: 1e-6,
} as const;
const blocks = { actFn: "silu", gatedMlp: true, positions: "rotary", attnBias: false, mlpBias: false, unembedBias: false } as const;

beforeAll(async () => {
  if (!there) return;
  core = await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-gguf-py-"));
  const folder = `${ORACLES}/huggingface`;
  for (const name of readdirSync(folder).filter((n) => existsSync(`${folder}/${n}/config.json`))) {
    using model = await loadPretrained(`${folder}/${name}`);
    if (!model.config?.linearNorm) await save(model, name, {});
  }
  using dense = Model.fromConfig({ ...wide, ...blocks }, { seed: 1 });
  const { model: ternary } = await convertModel(dense, { format: "ternary", granularity: "row", tokens: null });
  const { model: binary } = await convertModel(dense, { format: "binary", granularity: "group", groupSize: 128, tokens: null });
  await save(ternary, "tq1_0", { ggufType: "tq1_0" });
  await save(ternary, "tq2_0", { ggufType: "tq2_0", dtype: "bf16" });
  await save(binary, "q1_0", { dtype: "f16" });
  await save(dense, "q8_0", { ggufType: "q8_0" });
  await save(dense, "q4_0", { ggufType: "q4_0" });
});
afterAll(() => scratch && rmSync(scratch, { recursive: true, force: true }));

async function save(model: Model, name: string, options: object): Promise<void> {
  const path = join(scratch, `${name}.gguf`);
  await saveModel(model, path, { format: "gguf", name, ...options });
  paths.push(path);
}

/** SHA-256 of a tensor's values as this library reads them. */
function digest(type: string, shape: readonly number[], bytes: Uint8Array): string {
  const { block } = ggmlTypeNamed(type) as GgmlType;
  let values: Float32Array;
  if (block === 1) values = decodeFloats(type as "F32", bytes);
  else {
    values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    core.dequantizeBlocks(type.toLowerCase(), bytes, shape.at(-1) as number, values);
  }
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
}

describe.skipIf(!there)("gguf from PyPI", () => {
  it("reads what was written", async () => {
    const script = fileURLToPath(new URL("gguf-py.py", import.meta.url));
    const { stdout, stderr, status } = spawnSync(python, [script, ...paths], { encoding: "utf8", maxBuffer: 1 << 28 });
    expect(status, stderr).toBe(0);
    const found = JSON.parse(stdout) as Record<string, Read>;
    const types = new Set<string>();
    for (const path of paths) {
      const { fields, tensors } = found[path] as Read;
      const gguf = await openGguf(path);
      expect(Object.keys(fields)).toEqual([...gguf.metadata.keys()]);
      expect(fields["general.architecture"]).toBe(gguf.metadata.get("general.architecture")?.value);
      expect(Object.keys(tensors)).toEqual([...gguf.tensors.keys()]);
      for (const [name, t] of gguf.tensors) {
        const bytes = new Uint8Array(t.byteLength);
        await t.source.read(t.offset, bytes);
        const of = tensors[name]?.of ?? "values";
        const sha256 = of === "bytes" ? createHash("sha256").update(bytes).digest("hex") : digest(t.type, t.shape, bytes);
        expect(tensors[name], `${path} ${name}`).toEqual({ type: t.type, shape: [...t.shape], of, sha256 });
        types.add(t.type);
      }
      await gguf.close();
    }
    for (const type of ["F32", "F16", "BF16", "TQ1_0", "TQ2_0", "Q1_0", "Q8_0", "Q4_0"]) expect(types).toContain(type);
  });
});
