import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { serializeSafetensors } from "../io/index.ts";
import { liConfig, nandaConfig } from "../models/index.ts";
import { modelFromCheckpoint, modularAddition, saveCheckpoint } from "../train/index.ts";
import { openCheckpoint } from "./checkpoint.ts";

const P = 7;
const SIZES = { dModel: 16, dHead: 4, dMlp: 32 };
let dir: string;
beforeAll(async () => {
  await loadCore();
  dir = await mkdtemp(join(tmpdir(), "tritlens-open-"));
});

/** Logits of one sum: equal when weights, quantiser and architecture all are. */
const logits = (model: Model): number[] => [...model.forward([[2, 3, P]]).data];

async function ownCheckpoint(): Promise<{ path: string; model: Model }> {
  const model = Model.fromConfig(liConfig({ p: P, mode: "li_ternary", ...SIZES }), { seed: 4 });
  const data = modularAddition({ p: P, fraction: 0.5 });
  const path = join(dir, "own.safetensors");
  await saveCheckpoint(path, {
    config: model.config ?? liConfig({ p: P }),
    step: 12,
    params: model.stateDict(),
    data: data.description,
    trainIndices: data.trainIndices,
    extra: new Map(),
    extraTensors: new Map(),
  });
  return { path, model };
}

describe("tritlens's own checkpoint", () => {
  it("says everything itself", async () => {
    const { path, model } = await ownCheckpoint();
    const opened = await openCheckpoint(path);
    expect(opened).toMatchObject({ p: P, mode: "li_ternary", assumed: [] });
    expect([...opened.trainIndices]).toEqual([...modularAddition({ p: P, fraction: 0.5 }).trainIndices]);
    expect(logits(modelFromCheckpoint(opened.checkpoint))).toEqual(logits(model));
  });

  it("is not contradicted", async () => {
    const { path } = await ownCheckpoint();
    await expect(openCheckpoint(path, { mode: "fp32" })).rejects.toThrow(
      "E_CHECKPOINT: the checkpoint is of another mode; expected li_ternary; found none",
    );
    await expect(openCheckpoint(path, { p: 5 })).rejects.toThrow("E_CHECKPOINT: the checkpoint is of another modulus; expected 7; found 5");
    await expect(openCheckpoint(path, { mode: "li_tenrary" })).rejects.toMatchObject({ code: "E_MODE" });
  });

  it("takes other training pairs from a file", async () => {
    const { path } = await ownCheckpoint();
    const train = join(dir, "train.json");
    await writeFile(train, JSON.stringify({ train: [5, 1, 40] }));
    expect([...(await openCheckpoint(path, { train })).trainIndices]).toEqual([5, 1, 40]);
    await writeFile(train, '{"train": ["5"]}');
    await expect(openCheckpoint(path, { train })).rejects.toMatchObject({ code: "E_FORMAT" });
    await writeFile(train, "[99]");
    await expect(openCheckpoint(path, { train })).rejects.toMatchObject({ code: "E_RANGE" });
  });
});

describe("a TransformerLens state dict", () => {
  it("is read by its shapes, with Nanda's split assumed and said", async () => {
    const model = Model.fromConfig(nandaConfig({ p: P, ...SIZES }), { seed: 1 });
    const path = join(dir, "lens.safetensors");
    await writeFile(path, serializeSafetensors(model.stateDict(), new Map()));
    const opened = await openCheckpoint(path);
    expect(opened).toMatchObject({ p: P, mode: "nanda_fp32" });
    expect(opened.assumed[0]).toContain("Nanda's split");
    expect([...opened.trainIndices]).toEqual([...modularAddition({ p: P, split: "nanda" }).trainIndices]);
    expect(logits(modelFromCheckpoint(opened.checkpoint))).toEqual(logits(model));
  });
});

describe("a checkpoint of the reference script", () => {
  it("needs its JSON, or to be told", async () => {
    const model = Model.fromConfig(liConfig({ p: P, mode: "li_binary", ...SIZES }), { seed: 2 });
    const short = ["W_E", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "gain", "W_U"];
    const names = [
      "embed.W_E",
      ...["Q", "K", "V", "O"].map((n) => `blocks.0.attn.W_${n}`),
      "blocks.0.mlp.W_in",
      "blocks.0.mlp.W_out",
      "ln_final.w",
      "unembed.W_U",
    ];
    const tensors = new Map(short.map((name, i) => [name, model.readParam(names[i] as string)]));
    const path = join(dir, "ref.safetensors");
    await writeFile(path, serializeSafetensors(tensors, new Map()));
    await expect(openCheckpoint(path)).rejects.toThrow(/E_CHECKPOINT: the file does not say how its weights are quantised.*--mode/);
    const told = await openCheckpoint(path, { mode: "li_binary" });
    expect(told.assumed[0]).toContain("Li's split");
    expect(logits(modelFromCheckpoint(told.checkpoint))).toEqual(logits(model));
    await writeFile(join(dir, "ref.json"), JSON.stringify({ args: { mode: "li_binary", p: P }, train: [0, 8, 3] }));
    expect([...(await openCheckpoint(path)).trainIndices]).toEqual([0, 8, 3]);
  });
});
