/** Checkpoints of transformers continue as transformers does, with a cache, and at every site with what a run without a cache has. */
import { existsSync, readdirSync } from "node:fs";
import { type ActivationCache, joinCaptures, loadCore, Model, type Step } from "tritlens";
import { describe, expect, it } from "vitest";
import { ACT_TOL, difference, expectClose, get, ORACLES, oracle } from "./support.ts";

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
    const dense = model.checkpoint?.weights.some(({ param, format }) => /^blocks\..*W_/.test(param) && !/^(ternary|binary)/.test(format));
    expectSites(cached, cache, dense === true);
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

/**
 * Every site. Attention computes each query on its own and integer products are exact, so codes are the same; only where a dense f32 matrix stands between (its
 * products with one row and with many differ in their last bits) may an activation on the border between two codes round to the other one. Everything behind that is
 * another computation and is not compared.
 */
function expectSites(cached: ActivationCache, whole: ActivationCache, mixed: boolean): void {
  for (const [site, value] of whole.entries()) {
    if (mixed && site.endsWith("hook_in_codes") && difference(cached.get(site).data, value.data) > 0) {
      expectBorders(site, cached, whole);
      expect(site, "before any attention").not.toMatch(/^blocks\.0\.attn\.[qkv]\./);
      return;
    }
    if (/hook_(in_codes|acc)$/.test(site)) expect(cached.get(site).data, site).toEqual(value.data);
    else expectClose(site, cached.get(site), value, ACT_TOL);
  }
}

/** Codes that differ are neighbours, and the activation lies on the border between them. */
function expectBorders(site: string, cached: ActivationCache, whole: ActivationCache): void {
  const [found, expected] = [cached.get(site).data, whole.get(site).data];
  const input = whole.get(site.replace("hook_in_codes", "hook_in")).data;
  const scale = whole.get(site.replace("hook_in_codes", "hook_in_scale")).data;
  const width = expected.length / scale.length;
  found.forEach((code, i) => {
    if (code === expected[i]) return;
    const exact = (input[i] as number) / (scale[Math.floor(i / width)] as number);
    const border = (code + (expected[i] as number)) / 2;
    expect(Math.abs(code - (expected[i] as number)), site).toBe(1);
    expect(Math.abs(exact - border), `${site}: distance from the border`).toBeLessThan(127 * ACT_TOL);
  });
}
