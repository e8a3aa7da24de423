import { describe, expect, it } from "vitest";
import { TritlensError } from "../core/index.ts";
import { ActivationCache, type AsyncHook, type Generation, type Model, type Session } from "../hooks/index.ts";
import { HookSpace } from "../hooks/space.ts";
import { Tensor } from "../tensor/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { chat, type GenerateOptions, generate, type Step } from "./index.ts";

/** A "model" of the letters: after each letter comes the next one of the alphabet. What the sessions did is written down. */
class Alphabet {
  readonly runs: number[][] = [];
  readonly spec = { vocab: 27, ctx: 20, sites: [{ name: "blocks.0.hook_resid_post", node: 0, shape: ["batch", "seq", 1] }] };
  readonly cacheSource = { parts: undefined, space: new HookSpace([{ name: "blocks.0.hook_resid_post", node: 0, shape: ["batch", "seq", 1] }], []) };
  readonly core = {
    random: (seed: number, stream: number, _: number, out: Float32Array): void => out.set([((seed * 7919 + stream * 104729) % 1000) / 1000]),
  };
  readonly tokenizer = {
    special: { ends: [26] },
    token: (id: number): string => String.fromCharCode(97 + id),
    encode: (text: string): number[] => [...text].map((c) => c.charCodeAt(0) - 97),
    stream: () => ({ push: (id: number): string => String.fromCharCode(97 + id), end: (): string => "" }),
    tokenText: (id: number): string => String.fromCharCode(97 + id),
  } as unknown as Tokenizer;
  open = 0;
  logits: (token: number) => Float32Array = (token) => Float32Array.from({ length: 27 }, (_, i) => (i === token + 1 ? 5 : 0));

  openSession({ capacity }: { capacity: number }): Session {
    this.open++;
    const held: number[] = [];
    const session = {
      capacity,
      batch: 1,
      tokens: [held],
      get length(): number {
        return held.length;
      },
      rewind: (to: number): void => {
        held.length = to;
      },
      dispose: (): void => {
        this.open--;
      },
      runAsync: async (tokens: readonly number[], { hooks = [], names, signal }: { hooks?: AsyncHook[]; names?: unknown; signal?: AbortSignal }) => {
        if (signal?.aborted) throw new TritlensError("E_ABORTED", "aborted");
        if (held.length + tokens.length > capacity) throw new TritlensError("E_RANGE", "the session is full");
        const value = Tensor.from(Float32Array.from(tokens), [1, tokens.length, 1], ["batch", "pos", "d_model"]);
        for (const [name, action] of hooks) if (typeof action === "function") await action(value, { name: String(name), run: undefined as never });
        this.runs.push([...tokens]);
        held.push(...tokens);
        const cache = new ActivationCache(new Map(names === undefined ? [] : [["blocks.0.hook_resid_post", value]]));
        return { logits: Tensor.from(this.logits(held.at(-1) as number), [1, 27], ["batch", "class"]), cache };
      },
    };
    return session as unknown as Session;
  }

  generate(prompt: Parameters<typeof generate>[1], options?: GenerateOptions): Generation {
    return generate(this as unknown as Model, prompt, options);
  }
}

async function all(generation: Generation): Promise<Step[]> {
  const steps: Step[] = [];
  for await (const step of generation) steps.push(step);
  return steps;
}

const codeOf = async (generation: Generation): Promise<string> => {
  try {
    await all(generation);
  } catch (error) {
    if (error instanceof TritlensError) return error.code;
    throw error;
  }
  return "nothing was thrown";
};

describe("a generation", () => {
  it("gives tokens with text, position and probability", async () => {
    const model = new Alphabet();
    const steps = await all(model.generate("abc", { maxTokens: 3, logprobs: 2, names: "blocks.0.hook_resid_post" }));
    expect(steps.map((s) => s.text).join("")).toBe("def");
    expect(steps.map((s) => s.position)).toEqual([3, 4, 5]);
    expect(steps.map((s) => s.ran)).toEqual([
      { from: 0, to: 3 },
      { from: 3, to: 4 },
      { from: 4, to: 5 },
    ]);
    expect(steps.map((s) => s.cache.get("blocks.0.hook_resid_post").shape[1])).toEqual([3, 1, 1]);
    const best = 5 - Math.log(Math.exp(5) + 26);
    expect(steps[0]?.logprob).toBeCloseTo(best, 9);
    expect(steps[0]?.logprobs.map(({ token, text }) => [token, text])).toEqual([
      [3, "d"],
      [0, "a"],
    ]);
    expect(steps.map(({ done, finishReason }) => [done, finishReason])).toEqual([
      [false, undefined],
      [false, undefined],
      [true, "length"],
    ]);
    // The last token is never run, and the session is given back.
    expect(model.runs).toEqual([[0, 1, 2], [3], [4]]);
    expect(model.open).toBe(0);
  });

  it("computes the prompt in chunks", async () => {
    const model = new Alphabet();
    const seen: number[] = [];
    const [step] = await all(
      model.generate("abcde", { maxTokens: 1, promptChunk: 2, onPrompt: ({ done }) => seen.push(done), names: "blocks.0.hook_resid_post" }),
    );
    expect(model.runs).toEqual([[0, 1], [2, 3], [4]]);
    expect(seen).toEqual([2, 4, 5]);
    expect([...(step?.cache.get("blocks.0.hook_resid_post").data ?? [])]).toEqual([0, 1, 2, 3, 4]);
    expect(step?.ran).toEqual({ from: 0, to: 5 });
  });

  it("tells hooks the positions", async () => {
    const seen: [number, number][] = [];
    await all(
      new Alphabet().generate("abc", {
        maxTokens: 3,
        promptChunk: 2,
        hooks: [["blocks.*.hook_resid_post", (_, { from, to }) => void seen.push([from, to])]],
      }),
    );
    expect(seen).toEqual([
      [0, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ]);
  });

  it("ends at an end token, a stop text, the end of the context", async () => {
    const model = new Alphabet();
    const end = await all(model.generate("x", { maxTokens: 9 }));
    expect(end.map((s) => s.text)).toEqual(["y", "z", ""]);
    expect(end.at(-1)).toMatchObject({ token: 26, done: true, finishReason: "end" });
    expect(await model.generate("x", { maxTokens: 3, stopTokens: [24] }).text()).toBe("");
    const stop = await all(model.generate("a", { stop: ["xx", "efg"] }));
    expect(stop.map((s) => s.text)).toEqual(["b", "c", "d", "", "", ""]);
    expect(stop.at(-1)).toMatchObject({ finishReason: "stop", done: true });
    expect(await model.generate("a", { stop: "ez", maxTokens: 5 }).text()).toBe("bcdef");
    expect(await model.generate("a", { stop: "ez", maxTokens: 4 }).text()).toBe("bcde");
    const context = await all(model.generate("a"));
    expect(context.length).toBe(20);
    expect(context.at(-1)?.finishReason).toBe("context");
    expect(model.open).toBe(0);
  });

  it("depends on seed and position alone", async () => {
    const model = new Alphabet();
    model.logits = () => new Float32Array(27);
    const draw = (options: GenerateOptions): Promise<string> =>
      model.generate("abc", { maxTokens: 8, temperature: 1, stopTokens: [], ...options }).text();
    expect(await draw({ seed: 3 })).toBe(await draw({ seed: 3, promptChunk: 1 }));
    expect(await draw({ seed: 3 })).not.toBe(await draw({ seed: 4 }));
  });

  it.each([
    ["no prompt", "E_RANGE", []],
    ["an empty text", "E_RANGE", ""],
    ["an id outside of the vocabulary", "E_RANGE", [27]],
    ["an id that is no integer", "E_RANGE", [1.5]],
    ["two rows", "E_SHAPE", [[1], [2]]],
    ["a prompt beyond the context", "E_RANGE", new Array(21).fill(0)],
  ])("refuses %s: %s", async (_, code, prompt) => {
    const model = new Alphabet();
    expect(await codeOf(model.generate(prompt))).toBe(code);
    expect(model.runs).toEqual([]);
    expect(model.open).toBe(0);
  });

  it.each<GenerateOptions>([
    { maxTokens: 0 },
    { temperature: -1 },
    { temperature: Number.NaN },
    { topK: 0 },
    { topP: 0 },
    { topP: 1.1 },
    { seed: -1 },
    { stop: "" },
    { logprobs: 0.5 },
    { promptChunk: 0 },
    { stopTokens: [-1] },
  ])("refuses %o", async (options) => {
    expect(await codeOf(new Alphabet().generate("a", options))).toBe("E_RANGE");
  });

  it("refuses wrong names before it runs, and text without a tokenizer", async () => {
    const model = new Alphabet();
    expect(await codeOf(model.generate("a", { hooks: [["blocks.1.hook_resid_post", { kind: "zero" }]] }))).toBe("E_NAME");
    expect(await codeOf(generate({ spec: model.spec, cacheSource: model.cacheSource } as unknown as Model, "a"))).toBe("E_MODE");
    expect(await codeOf(generate({ spec: model.spec, cacheSource: model.cacheSource } as unknown as Model, [1], { stop: "b" }))).toBe("E_MODE");
    expect(model.runs).toEqual([]);
  });

  it("gives its session back when the loop is left or a hook throws", async () => {
    const model = new Alphabet();
    for await (const step of model.generate("a")) if (step.position === 3) break;
    expect(model.open).toBe(0);
    const failing = model.generate("a", {
      hooks: [
        [
          "blocks.0.hook_resid_post",
          (_, { from }) => {
            if (from === 2) throw new RangeError("mine");
          },
        ],
      ],
    });
    await expect(all(failing)).rejects.toThrow("mine");
    expect(model.open).toBe(0);
  });

  it("stops at the signal", async () => {
    const model = new Alphabet();
    const controller = new AbortController();
    const steps: Step[] = [];
    const loop = async (): Promise<void> => {
      for await (const step of model.generate("a", { signal: controller.signal })) {
        steps.push(step);
        if (steps.length === 2) controller.abort();
      }
    };
    await expect(loop()).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(steps.length).toBe(2);
    expect(await codeOf(model.generate("a", { signal: controller.signal }))).toBe("E_ABORTED");
    expect(model.open).toBe(0);
  });

  it("gives way to the event loop between tokens", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const between: number[] = [];
    for await (const _ of new Alphabet().generate("a", { maxTokens: 15 })) {
      between.push(turns);
      const until = performance.now() + 3;
      while (performance.now() < until);
    }
    clearInterval(timer);
    expect(between.at(-1)).toBeGreaterThan(3);
  });
});

describe("a conversation", () => {
  const template = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}x{% endif %}";
  const ask = (model: Alphabet, options: Parameters<typeof chat>[2]): Generation =>
    chat(model as unknown as Model, [{ role: "user", content: "abc" }], options);

  it("is written by the template, without special tokens of the tokenizer's own", async () => {
    const model = new Alphabet();
    expect(await ask(model, { template, maxTokens: 1 }).text()).toBe("y");
    expect(await ask(model, { template, addGenerationPrompt: false, maxTokens: 2 }).text()).toBe("de");
    expect(model.runs).toEqual([[0, 1, 2, 23], [0, 1, 2], [3]]);
  });

  it("needs a template that works", async () => {
    expect(await codeOf(ask(new Alphabet(), {}))).toBe("E_MODE");
    expect(await codeOf(ask(new Alphabet(), { template: "{% if %}" }))).toBe("E_FORMAT");
  });
});

describe("a session that goes on", () => {
  it("computes only what is new of the prompt", async () => {
    const model = new Alphabet();
    const session = model.openSession({ capacity: 20 });
    const first = await model.generate("ab", { session, maxTokens: 2 }).text();
    expect(first).toBe("cd");
    expect(await model.generate("abcdxy", { session, maxTokens: 1 }).text()).toBe("z");
    // The first turn ran a, b, c; of the second d, x, y are new.
    expect(model.runs).toEqual([[0, 1], [2], [3, 23, 24]]);
    // Another text from the third letter on, and the same text again: its last token has to run.
    await model.generate("abq", { session, maxTokens: 1 }).text();
    await model.generate("abq", { session, maxTokens: 1 }).text();
    expect(model.runs.slice(3)).toEqual([[16], [16]]);
    expect(model.open).toBe(1);
  });

  it("may have been run by hand, and must have room", async () => {
    const model = new Alphabet();
    const session = model.openSession({ capacity: 3 });
    expect(await codeOf(model.generate("abcd", { session }))).toBe("E_RANGE");
    await session.runAsync([0], {});
    const steps = await all(model.generate("ab", { session }));
    expect(steps.map((s) => s.finishReason)).toEqual([undefined, "context"]);
    expect(model.runs).toEqual([[0], [1], [2]]);
  });
});
