/**
 * Folders that this library writes, loaded and run by transformers: the same logits. Needs a Python with transformers, accelerate and torch (`TRITLENS_PYTHON` names one); where there is none, a notice
 * says so and nothing is tested.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convertModel, loadCore, Model, type SaveOptions, saveModel } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ORACLES } from "./support.ts";

const python = process.env.TRITLENS_PYTHON ?? "python3";
const there = spawnSync(python, ["-c", "import torch, transformers, accelerate"]).status === 0;
if (!there) process.stderr.write(`notice: ${python} has no transformers, so written folders are not run with it (TRITLENS_PYTHON names a Python)\n`);

const TOL = 1e-5;
const tokens = [5, 17, 60, 42, 7, 88];
const cases: Record<string, { tokens: number[]; logits: number[] }> = {};
let scratch: string;

async function save(model: Model, name: string, format: SaveOptions["format"]): Promise<void> {
  const path = join(scratch, name);
  await saveModel(model, path, { format });
  cases[path] = { tokens, logits: [...model.forward([tokens]).data] };
}

beforeAll(async () => {
  if (!there) return;
  await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-transformers-"));
  const folder = `${ORACLES}/huggingface`;
  for (const name of readdirSync(folder).filter((n) => existsSync(`${folder}/${n}/config.json`))) {
    using model = await Model.fromPretrained(`${folder}/${name}`);
    await save(model, name, model.config?.actQuant === "int8" ? "hf-bitnet" : "safetensors");
  }
  using llama = await Model.fromPretrained(`${folder}/llama`);
  for (const [name, names] of [
    ["ternary", undefined],
    ["ternary mlp", "blocks.*.mlp.*"],
  ] as const) {
    const { model } = await convertModel(llama, { format: "ternary", activations: "int8", tokens: null, ...(names ? { names } : {}) });
    await save(model, name, "hf-bitnet");
  }
});
afterAll(() => scratch && rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(!there)("transformers", () => {
  it("computes what was written", () => {
    const list = join(scratch, "cases.json");
    writeFileSync(list, JSON.stringify(cases));
    const script = fileURLToPath(new URL("run-saved.py", import.meta.url));
    const { stdout, stderr, status } = spawnSync(python, [script, list], { encoding: "utf8", maxBuffer: 1 << 28 });
    expect(status, stderr).toBe(0);
    const found = JSON.parse(stdout.trim().split("\n").at(-1) as string) as Record<string, number>;
    expect(Object.keys(found)).toEqual(Object.keys(cases));
    for (const [path, difference] of Object.entries(found)) expect(difference, path).toBeLessThan(TOL);
  });
});
