/** Checkpoints of transformers continue as transformers does, with a cache, and at every site with what a run without a cache has. */
import { existsSync, readdirSync } from "node:fs";
import { type ActivationCache, joinCaptures, loadCore, Model, type Step } from "tritlens";
import { describe, expect, it } from "vitest";
import { ACT_TOL, expectClose, get, ORACLES, oracle } from "./support.ts";

const FOLDER = `${ORACLES}/huggingface`;
const CASES = readdirSync(FOLDER).filter((name) => existsSync(`${FOLDER}/${name}/expected.safetensors`));
/** Tokens of the prompt that the greedy continuations begin with. */
const PROMPT = 4;

describe.each(["native", "wasm"] as const)("%s", (backend) => {
  it.each(CASES)("%s", async (name) => {
    using model = await Model.fromPretrained(`${FOLDER}/${name}`, { core: await loadCore({ backend }) });
    const greedy = Array.from(get(oracle(`huggingface/${name}/expected.safetensors`), "greedy").data);
    const steps: Step[] = [];
    const options = { maxTokens: greedy.length - PROMPT, stopTokens: [], names: () => true, promptChunk: 3 };
    for await (const step of model.generate(greedy.slice(0, PROMPT), options)) steps.push(step);
    expect(steps.map((s) => s.token)).toEqual(greedy.slice(PROMPT));
    const { cache } = model.runWithCache([greedy.slice(0, -1)]);
    const cached = joinCaptures(steps.map((s) => s.cache));
    expect(cached.keys()).toEqual(cache.keys());
    expectSites(cached, cache);
  });
});

it("draws the same tokens with the same seed on every backend", async () => {
  const drawn = async (backend: "native" | "wasm", seed: number): Promise<number[]> => {
    using model = await Model.fromPretrained(`${FOLDER}/gpt2`, { core: await loadCore({ backend }) });
    const tokens: number[] = [];
    for await (const { token } of model.generate([5, 6, 7], { maxTokens: 24, stopTokens: [], temperature: 1.5, topP: 0.95, seed }))
      tokens.push(token);
    return tokens;
  };
  expect(await drawn("wasm", 3)).toEqual(await drawn("native", 3));
  expect(await drawn("native", 4)).not.toEqual(await drawn("native", 3));
});

/** Every site: attention computes each query on its own, so codes are the same, too. */
function expectSites(cached: ActivationCache, whole: ActivationCache): void {
  for (const [site, value] of whole.entries()) {
    if (site.endsWith("hook_in_codes") || site.endsWith("hook_acc")) expect(cached.get(site).data, site).toEqual(value.data);
    else expectClose(site, cached.get(site), value, ACT_TOL);
  }
}
