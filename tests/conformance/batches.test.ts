/** Mini-batches and language models behind one backend. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Core,
  loadCheckpoint,
  Model,
  nextTokens,
  type TrainEvent,
  type TrainingData,
  type TrainOptions,
  train,
  transformerConfig,
} from "tritlens";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { coreUnderTest } from "./support.ts";

let core: Core;
let folder = "";
beforeAll(async () => {
  core = await coreUnderTest();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens-batches-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function events(model: Model, options: TrainOptions, data: TrainingData): Promise<TrainEvent[]> {
  const out: TrainEvent[] = [];
  for await (const event of train(model, data, options)) out.push(event);
  return out;
}

const losses = (list: readonly TrainEvent[]): number[] =>
  list.flatMap((e) => Array.from({ length: e.rows.length / e.columns.length }, (_, i) => e.rows[i * e.columns.length] as number));
const params = (model: Model): number[][] => model.paramNames.map((name) => [...model.readParam(name).data]);

describe("mini-batches", () => {
  // A text in which each token tells the next one, cut into rows of 20 tokens.
  const seq = 20;
  const text = Int32Array.from({ length: 24 * seq + 1 }, (_, i) => (i * i + 3 * i) % 11);
  const language = { train: nextTokens(text, seq), test: nextTokens(text.subarray(0, 3 * seq + 1), seq) };
  const languageModel = (seed = 0): Model =>
    Model.fromConfig(transformerConfig({ nLayers: 2, dModel: 16, dHead: 8, nCtx: seq, dVocab: 11, actFn: "gelu_new", quantizer: "ternary" }), {
      core,
      seed,
    });
  it("train a language model, and say every step's loss", async () => {
    const model = languageModel();
    const options = { steps: 150, batchSize: 6, lr: 1e-2, weightDecay: 0, evalEvery: 150 };
    const list = await events(model, options, language);
    const all = losses(list);
    expect(all.length).toBe(150);
    expect(all.at(-1)).toBeLessThan((all[0] as number) / 2);
    expect(list.at(-1)?.testAccuracy).toBeGreaterThan(0.5);
    // The examples of step 0 are a quarter of the set, so its loss is near that of the set but not the same.
    expect(Math.abs((all[0] as number) / (list[0]?.evaluation?.trainLoss as number) - 1)).toBeLessThan(0.2);
    expect(all[0]).not.toBeCloseTo(list[0]?.evaluation?.trainLoss as number, 6);
    model.dispose();
  });
  it("have the loss and gradient of a run when they are the whole set", async () => {
    const [model, fresh] = [languageModel(2), languageModel(2)];
    const [first] = losses(await events(model, { steps: 1, batchSize: 24, evalEvery: 0 }, language));
    const { loss } = fresh.runWithCache(language.train.tokens, { names: "hook_embed", loss: { targets: language.train.targets } });
    expect(first).toBeCloseTo(loss as number, 5);
    model.dispose();
    fresh.dispose();
  });
  it("resume bit for bit from a checkpoint, in the middle of an epoch", async () => {
    const path = join(folder, "language.safetensors");
    const options = { batchSize: 7, batchSeed: 3, weightDecay: 0.1, evalEvery: 0 };
    const [a, b, c] = [languageModel(1), languageModel(1), languageModel(5)];
    await events(a, { ...options, steps: 12 }, language);
    await events(b, { ...options, steps: 5, totalSteps: 12, checkpoint: { path } }, language);
    const saved = await loadCheckpoint(path);
    expect(saved.training?.optimizer).toMatchObject({ batchSize: 7, batchSeed: 3 });
    await events(c, { steps: 12, evalEvery: 0, resume: saved }, language);
    expect(params(c)).toEqual(params(a));
    for (const model of [a, b, c]) model.dispose();
  });
  it("follow their seed, and do not depend on chunks", async () => {
    const run = async (options: Partial<TrainOptions>) => {
      const model = languageModel();
      await events(model, { steps: 8, evalEvery: 0, batchSize: 5, ...options }, language);
      const out = params(model);
      model.dispose();
      return out;
    };
    const reference = await run({});
    expect(await run({ log: 1 })).toEqual(reference);
    expect(await run({ batchSeed: 0 })).toEqual(reference);
    expect(await run({ batchSeed: 1 })).not.toEqual(reference);
  });
  it("refuse sizes and shapes that do not fit", async () => {
    const model = languageModel();
    for (const batchSize of [0, -1, 2.5, Number.NaN, 25])
      await expect(events(model, { steps: 1, batchSize }, language)).rejects.toMatchObject({ code: "E_RANGE" });
    await expect(events(model, { steps: 1, batchSeed: -1 }, language)).rejects.toMatchObject({ code: "E_RANGE" });
    const { tokens, targets } = language.train;
    for (const bad of [
      { tokens, targets: targets.subarray(1) },
      { tokens: { data: tokens.data.subarray(1), shape: tokens.shape }, targets },
      { tokens, targets: targets.subarray(0, 24) },
      nextTokens(text, seq - 1),
    ])
      await expect(events(model, { steps: 1, evalEvery: 0 }, { train: bad, test: bad })).rejects.toMatchObject({ code: "E_SHAPE" });
    expect(() => nextTokens([1, 2], 2)).toThrow(/E_SHAPE.*3 tokens.*2/);
    expect(() => nextTokens([1, 2], 0)).toThrow(/E_RANGE/);
    model.dispose();
  });
});
