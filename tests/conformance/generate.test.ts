/** Generation with a cache has, at every site and position, what one run over the whole text has; also where hooks and edits change it. */
import {
  type ActivationCache,
  type CacheOptions,
  type GenerateHook,
  type GenerateOptions,
  type Hook,
  joinCaptures,
  Model,
  type Step,
  type Tensor,
  type TransformerOptions,
} from "tritlens";
import { describe, expect, it } from "vitest";
import { coreUnderTest } from "./support.ts";

const SMALL = { nLayers: 2, dModel: 16, nHeads: 4, dHead: 4, dMlp: 32, nCtx: 32, dVocab: 20 };
const LLAMA = { ...SMALL, nKeyValueHeads: 2, gatedMlp: true, normalization: "RMS", positions: "rotary", attnBias: false, mlpBias: false } as const;
const MODELS: Readonly<Record<string, TransformerOptions>> = {
  gpt2: { ...SMALL, actFn: "gelu_new" },
  llama: { ...LLAMA, actFn: "silu" },
  bitnet: { ...LLAMA, actFn: "relu2", quantizer: "ternary", actQuant: "int8" },
};
const PROMPT = [3, 10, 17, 4, 11, 18, 5];
const everything = (): boolean => true;

/** Within 1e-5 of the largest finite entry; infinite entries must be equal. */
function expectClose(actual: Tensor, expected: Tensor, what: string): void {
  expect(actual.shape, what).toEqual(expected.shape);
  const largest = expected.data.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0);
  const wrong = expected.data.findIndex((x, i) => x !== actual.data[i] && !(Math.abs(x - (actual.data[i] as number)) <= 1e-5 * largest));
  expect(wrong, `${what}: ${actual.data[wrong]} instead of ${expected.data[wrong]}`).toBe(-1);
}

async function all(steps: AsyncIterable<Step>): Promise<Step[]> {
  const found: Step[] = [];
  for await (const step of steps) found.push(step);
  return found;
}

/** What was run: the prompt and all tokens but the last. */
function textOf(steps: readonly Step[]): number[] {
  return [...PROMPT, ...steps.slice(0, -1).map((s) => s.token)];
}

function expectSites(found: ActivationCache, expected: ActivationCache): void {
  expect(found.keys()).toEqual(expected.keys());
  for (const [site, value] of expected.entries()) expectClose(found.get(site), value, site);
}

const core = await coreUnderTest();

describe.each(Object.keys(MODELS))("%s", (name) => {
  const model = Model.fromConfig(MODELS[name] as TransformerOptions, { seed: 3 });
  const uncached = (tokens: number[], options: CacheOptions = {}) => model.runWithCache([tokens], { names: everything, ...options });

  it.each([512, 3])("has at every site what an uncached run has (prompt in chunks of %s)", async (promptChunk) => {
    const steps = await all(model.generate(PROMPT, { maxTokens: 6, names: everything, promptChunk, logprobs: 20 }));
    expect(steps.map((s) => s.position)).toEqual([7, 8, 9, 10, 11, 12]);
    const { logits, cache } = uncached(textOf(steps));
    expectSites(joinCaptures(steps.map((s) => s.cache)), cache);
    for (const [i, step] of steps.entries()) {
      const row = logits.data.subarray((6 + i) * 20, (7 + i) * 20);
      const norm = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
      expect(step.token).toBe(row.indexOf(Math.max(...row)));
      expect(step.logprobs[0]).toMatchObject({ token: step.token, logprob: step.logprob });
      for (const { token, logprob } of step.logprobs) expect(logprob).toBeCloseTo((row[token] as number) - norm, 4);
    }
  });

  it("edits as an uncached run does", async () => {
    const direction = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i));
    const values = Float32Array.from({ length: 4 * 16 }, (_, i) => Math.cos(i));
    const common: Hook[] = [
      ["blocks.0.attn.hook_z", { kind: "zero", at: { head: 1 } }],
      ["blocks.0.mlp.hook_post", { kind: "scale", factor: 1.5, at: { pos: [5, 9] } }],
      ["blocks.1.attn.hook_pattern", { kind: "scale", factor: 0.5, at: { head: [1, 3], query: [4, 9], key: [2, 4] } }],
      ["blocks.1.hook_resid_post", { kind: "project", direction }],
      // A box over the end of the prompt: half of its values belong to the prompt's run, a quarter to each of the next two.
      ["blocks.1.hook_resid_pre", { kind: "set", value: values, at: { pos: [5, 9] } }],
      ["blocks.0.hook_attn_out", (x) => x.data.map((v) => 0.9 * v)],
    ];
    const hooks: GenerateHook[] = [...(common as GenerateHook[]), ["blocks.0.hook_resid_post", { kind: "add", value: direction }]];
    const steps = await all(model.generate(PROMPT, { maxTokens: 6, names: everything, hooks, promptChunk: 6 }));
    const text = textOf(steps);
    const everywhere = Float32Array.from({ length: 16 * text.length }, (_, i) => direction[i % 16] as number);
    const { cache } = uncached(text, { hooks: [...common, ["blocks.0.hook_resid_post", { kind: "add", value: everywhere }]] });
    expectSites(joinCaptures(steps.map((s) => s.cache)), cache);
    const plain = await all(model.generate(PROMPT, { maxTokens: 6 }));
    expect(steps.map((s) => s.logprob)).not.toEqual(plain.map((s) => s.logprob));
  });

  it("begins to edit in the middle of a text", async () => {
    const mid: Hook = ["blocks.1.hook_resid_pre", { kind: "scale", factor: -2, at: { pos: [9, 12] } }];
    const steps = await all(model.generate(PROMPT, { maxTokens: 6, names: everything, hooks: [mid as GenerateHook] }));
    const { cache } = uncached(textOf(steps), { hooks: [mid] });
    expectSites(joinCaptures(steps.map((s) => s.cache)), cache);
    const plain = await all(model.generate(PROMPT, { maxTokens: 6, names: "blocks.1.hook_resid_pre" }));
    for (const i of [0, 1, 2]) expect(plain[i]?.cache.get("blocks.1.hook_resid_pre")).toEqual(steps[i]?.cache.get("blocks.1.hook_resid_pre"));
  });

  it("shows hooks their positions, and awaits them", async () => {
    const seen: string[] = [];
    const look: GenerateHook = [
      "blocks.*.attn.hook_pattern",
      async (value, { name: site, from, to }) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        seen.push(`${site.slice(7, 8)} ${from} ${to} ${value.shape.join("x")}`);
      },
    ];
    await all(model.generate(PROMPT, { maxTokens: 2, promptChunk: 4, hooks: [look] }));
    expect(seen).toEqual(["0 0 4 1x4x4x4", "1 0 4 1x4x4x4", "0 4 7 1x4x3x7", "1 4 7 1x4x3x7", "0 7 8 1x4x1x8", "1 7 8 1x4x1x8"]);
  });

  it("draws by seed and position, however the prompt is cut", async () => {
    const draw = async (options: GenerateOptions): Promise<number[]> =>
      (await all(model.generate(PROMPT, { maxTokens: 12, temperature: 1.2, topK: 15, topP: 0.9, ...options }))).map((s) => s.token);
    expect(await draw({ seed: 5 })).toEqual(await draw({ seed: 5, promptChunk: 2 }));
    expect(await draw({ seed: 5 })).not.toEqual(await draw({ seed: 6 }));
  });

  it("goes on in a session as if there had been none", async () => {
    using session = model.openSession({ capacity: 32 });
    const first = (await all(model.generate(PROMPT, { maxTokens: 4, session }))).map((s) => s.token);
    const next = [...PROMPT, ...first, 1, 2];
    const [again] = await all(model.generate(next, { maxTokens: 5, session, names: "blocks.1.hook_resid_post" }));
    expect(again?.ran).toEqual({ from: 10, to: 13 });
    const whole = model.runWithCache([next], { names: "blocks.1.hook_resid_post" }).cache.get("blocks.1.hook_resid_post");
    expectClose(again?.cache.get("blocks.1.hook_resid_post") as Tensor, whole.slice("pos", [10, 13]), "the rest of the prompt");
    // A text that leaves the earlier one.
    const other = [...PROMPT.slice(0, 4), 9, 9, 9];
    const fresh = (await all(model.generate(other, { maxTokens: 5 }))).map((s) => s.token);
    expect((await all(model.generate(other, { maxTokens: 5, session }))).map((s) => s.token)).toEqual(fresh);
  });

  it("leaves model and session usable after an abort, a hook that throws, and a loop that is left", async () => {
    using session = model.openSession({ capacity: 32 });
    const expected = (await all(model.generate(PROMPT, { maxTokens: 5 }))).map((s) => s.token);
    const good = async (): Promise<void> => {
      expect((await all(model.generate(PROMPT, { maxTokens: 5, session }))).map((s) => s.token)).toEqual(expected);
      expect((await all(model.generate(PROMPT, { maxTokens: 5 }))).map((s) => s.token)).toEqual(expected);
    };
    const throwing = (at: number): GenerateHook => [
      "blocks.1.attn.hook_z",
      (_, { from }) => {
        if (from >= at) throw new RangeError("mine");
      },
    ];
    for (const at of [0, 8]) {
      await expect(all(model.generate(PROMPT, { session, hooks: [throwing(at)] }))).rejects.toThrow("mine");
      await good();
    }
    const controller = new AbortController();
    const abortInside: GenerateHook = ["blocks.0.attn.hook_z", (_, { from }) => (from === 8 ? controller.abort() : undefined)];
    await expect(all(model.generate(PROMPT, { session, hooks: [abortInside], signal: controller.signal }))).rejects.toMatchObject({
      code: "E_ABORTED",
    });
    await good();
    for await (const step of model.generate(PROMPT, { session })) if (step.position === 9) break;
    await good();
    await expect(all(model.generate(PROMPT, { hooks: [["blocks.0.hook_z", { kind: "zero" }]] }))).rejects.toMatchObject({ code: "E_NAME" });
    await expect(all(model.generate(PROMPT, { hooks: [["blocks.0.attn.hook_z", { kind: "zero", at: { head: 4 } }]] }))).rejects.toMatchObject({
      code: "E_RANGE",
    });
    await good();
  });

  it("aborts inside of a prompt", async () => {
    const long = Array.from({ length: 30 }, (_, i) => i % 20);
    const controller = new AbortController();
    const hooks: GenerateHook[] = [["blocks.0.hook_resid_pre", () => controller.abort()]];
    let after = false;
    hooks.push([
      "ln_final.hook_scale",
      () => {
        after = true;
      },
    ]);
    await expect(all(model.generate(long, { hooks, signal: controller.signal }))).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(after).toBe(false);
  });

  it("ends where the context does, and is E_NONFINITE for logits that are none", async () => {
    const full = await all(model.generate(PROMPT, { maxTokens: 100 }));
    expect(full.length).toBe(26);
    expect(full.at(-1)?.finishReason).toBe("context");
    const broken: GenerateHook = ["blocks.1.hook_resid_post", { kind: "scale", factor: Number.NaN, at: { pos: 8 } }];
    await expect(all(model.generate(PROMPT, { hooks: [broken] }))).rejects.toMatchObject({ code: "E_NONFINITE" });
  });

  it("can be disposed when nothing is generated any more", async () => {
    const own = Model.fromConfig(MODELS[name] as TransformerOptions, { core, seed: 3 });
    for await (const _ of own.generate(PROMPT)) break;
    own.dispose();
    await expect(all(own.generate(PROMPT))).rejects.toMatchObject({ code: "E_CLOSED" });
  });
});
