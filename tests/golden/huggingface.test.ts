/** Checkpoints of transformers, loaded as they are: logits, every hidden state, greedy continuation. */
import { existsSync, readdirSync } from "node:fs";
import { type ActivationCache, loadCore, Model, type StoredTensor, type Tensor, toTensor } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

/** Largest difference relative to the largest entry. */
const TOL = 1e-4;

const FOLDER = `${ORACLES}/huggingface`;
/** Every folder with a model in it, so that another set of oracles may have others. */
const CASES = readdirSync(FOLDER).filter((name) => existsSync(`${FOLDER}/${name}/expected.safetensors`));

const BACKENDS = ["native", "wasm"] as const;

describe.each(BACKENDS)("%s", (backend) => {
  beforeAll(async () => {
    await loadCore({ backend });
  });

  it.each(CASES)("%s", async (name) => {
    const core = await loadCore({ backend });
    const expected = oracle(`huggingface/${name}/expected.safetensors`);
    using model = await Model.fromPretrained(`${FOLDER}/${name}`, { core });
    const tokens = rows(expected, "tokens");
    const { logits, cache } = model.runWithCache(tokens, { names: /hook_resid_pre$|ln_final\.hook_normalized$/ });
    expectClose("logits", logits, get(expected, "logits"), TOL);
    const states = [...expected.keys()].filter((key) => key.startsWith("hidden."));
    expect(states.length).toBe(model.layers + 1);
    for (let i = 0; i <= model.layers; i++) expectClose(`hidden state ${i}`, hidden(model, cache, i), get(expected, `hidden.${i}`), TOL);
    expectGreedy(model, rows(expected, "greedy")[0] as number[]);
  });
});

function rows(file: ReadonlyMap<string, StoredTensor>, name: string): number[][] {
  const tensor = toTensor(file.get(name) as StoredTensor);
  const [count, width] = tensor.shape as [number, number];
  return Array.from({ length: count }, (_, r) => Array.from(tensor.data.subarray(r * width, (r + 1) * width)));
}

/** transformers' hidden state i is what goes into block i; the last one has been through the final norm, gain included. */
function hidden(model: Model, cache: ActivationCache, i: number): Tensor {
  if (i < model.layers) return cache.get(`blocks.${i}.hook_resid_pre`);
  const normed = cache.get("ln_final.hook_normalized").copy();
  if (model.config?.finalNorm !== "RMS") return normed;
  const gain = model.readParam("ln_final.w").data;
  normed.data.forEach((x, k) => {
    normed.data[k] = x * (gain[k % gain.length] as number);
  });
  return normed;
}

/** Every token after the prompt is the likeliest one given all before it. */
function expectGreedy(model: Model, sequence: number[]): void {
  const prompt = 4;
  // The generator of the first six folders pads with 0: transformers then masks a 0 in the prompt, which no other run does.
  if (sequence.slice(0, prompt).includes(0)) return;
  const { data, shape } = model.forward([sequence.slice(0, -1)]);
  const classes = shape[2] as number;
  for (let at = prompt; at < sequence.length; at++) {
    const row = data.subarray((at - 1) * classes, at * classes);
    expect(row.indexOf(Math.max(...row)), `token ${at}`).toBe(sequence[at]);
  }
}
