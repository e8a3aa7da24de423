/** A text run piece by piece has the same activations at every site as the whole text at once, whoever listens. */
import { type Hook, Model, type Tensor, type TransformerOptions } from "tritlens";
import { describe, expect, it } from "vitest";
import { codeOf, coreUnderTest } from "./support.ts";

const SMALL = { nLayers: 2, dModel: 16, nHeads: 4, dHead: 4, dMlp: 32, nCtx: 24, dVocab: 20 };
const LLAMA = { ...SMALL, nKeyValueHeads: 2, gatedMlp: true, normalization: "RMS", positions: "rotary", attnBias: false, mlpBias: false } as const;
const MODELS: Readonly<Record<string, TransformerOptions>> = {
  gpt2: { ...SMALL, actFn: "gelu_new" },
  llama: { ...LLAMA, actFn: "silu" },
  neox: { ...SMALL, actFn: "gelu", parallelAttnMlp: true, positions: "rotary", rotaryDim: 2 },
  bitnet: { ...LLAMA, actFn: "relu2", quantizer: "ternary", actQuant: "int8" },
};
const tokens = Array.from({ length: 2 }, (_, b) => Array.from({ length: 11 }, (_, i) => (i * 7 + b * 5 + 3) % 20));
const cut = (from: number, to: number): number[][] => tokens.map((row) => row.slice(from, to));
const everything = (): boolean => true;

/** Within 1e-5 of the largest finite entry; infinite entries must be equal. */
function expectClose(actual: Tensor, expected: Tensor, what: string): void {
  expect(actual.shape, what).toEqual(expected.shape);
  const largest = expected.data.reduce((m, x) => (Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m), 0);
  const wrong = expected.data.findIndex((x, i) => x !== actual.data[i] && !(Math.abs(x - (actual.data[i] as number)) <= 1e-5 * largest));
  expect(wrong, `${what}: ${actual.data[wrong]} instead of ${expected.data[wrong]}`).toBe(-1);
}

/** Positions [from, to) of an activation of the whole text. */
function piece(whole: Tensor, from: number, to: number): Tensor {
  return whole.axes.includes("query") ? whole.slice("query", [from, to]).slice("key", [0, to]) : whole.slice("pos", [from, to]);
}

await coreUnderTest();

describe.each(Object.keys(MODELS))("%s", (name) => {
  const model = Model.fromConfig(MODELS[name] as TransformerOptions, { seed: 3 });
  const whole = model.runWithCache(tokens);

  it("gives the whole text at once the values of a run that keeps everything", () => {
    using session = model.openSession({ batch: 2, capacity: 12 });
    const { logits, cache } = session.run(tokens, { names: everything });
    expectClose(logits, whole.logits, "logits");
    expect(cache.keys()).toEqual(whole.cache.keys());
    for (const [site, value] of whole.cache.entries()) expectClose(cache.get(site), value, site);
  });

  it("computes the same bits whether somebody listens or not", () => {
    using session = model.openSession({ batch: 2, capacity: 11 });
    const deaf = session.run(tokens).logits;
    session.rewind(0);
    const heard = session.run(tokens, { names: everything }).logits;
    expect(deaf.data).toEqual(heard.data);
    session.rewind(0);
    const last = session.run(tokens, { lastOnly: true }).logits;
    expectClose(last, deaf.slice("pos", 10), "last position");
    session.rewind(0);
    const { logits, cache } = session.run(tokens, { lastOnly: true, names: ["blocks.1.attn.hook_q", "blocks.0.hook_resid_post"] });
    expectClose(logits, last, "last position with listeners");
    expectClose(cache.get("blocks.1.attn.hook_q"), whole.cache.get("blocks.1.attn.hook_q"), "queries");
    for (const site of model.siteNames) {
      session.rewind(0);
      const heardOne = session.run(tokens, { lastOnly: true, names: site });
      expectClose(heardOne.logits, last, `last position with a listener at ${site}`);
      expectClose(heardOne.cache.get(site), whole.cache.get(site), site);
    }
  });

  it("continues: pieces have the values of the whole at every site", () => {
    using session = model.openSession({ batch: 2, capacity: 11 });
    for (const [from, to] of [
      [0, 5],
      [5, 6],
      [6, 7],
      [7, 11],
    ] as const) {
      const { logits, cache } = session.run(cut(from, to), { names: everything });
      for (const [site, value] of whole.cache.entries()) expectClose(cache.get(site), piece(value, from, to), `${site} from ${from}`);
      expectClose(logits, whole.logits.slice("pos", [from, to]), `logits from ${from}`);
    }
    expect(session.length).toBe(11);
    expect(codeOf(() => session.run(cut(0, 1)))).toBe("E_RANGE");
  });

  it("edits in every piece what an edit of the whole text changes", () => {
    const hooks: Hook[] = [
      ["blocks.0.attn.hook_z", { kind: "zero", at: { head: 1 } }],
      ["blocks.1.attn.hook_pattern", { kind: "scale", factor: 0.5 }],
      ["blocks.1.hook_resid_pre", (x) => x.data.map((v) => v * 0.9)],
    ];
    const expected = model.runWithHooks(tokens, { hooks });
    using session = model.openSession({ batch: 2 });
    for (const [from, to] of [
      [0, 4],
      [4, 5],
      [5, 11],
    ] as const)
      expectClose(session.run(cut(from, to), { hooks }).logits, expected.slice("pos", [from, to]), `from ${from}`);
  });

  it("is as it was after a hook that throws, an abort, and a rewind", async () => {
    using session = model.openSession({ batch: 2 });
    session.run(cut(0, 4));
    const next = session.run(cut(4, 5)).logits;
    session.rewind(4);
    const bad: Hook = [
      "blocks.1.hook_resid_post",
      () => {
        throw new Error("mine");
      },
    ];
    expect(() => session.run(cut(4, 5), { hooks: [bad] })).toThrow("mine");
    await expect(session.runAsync(cut(4, 5), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(session.length).toBe(4);
    expect((await session.runAsync(cut(4, 5))).logits.data).toEqual(next.data);
    expect(codeOf(() => session.rewind(6))).toBe("E_RANGE");
  });

  it("refuses what does not fit", () => {
    const session = model.openSession({ batch: 1, capacity: 3 });
    expect(codeOf(() => session.run(tokens))).toBe("E_SHAPE");
    expect(codeOf(() => session.run([[1, 2, 3, 4]]))).toBe("E_RANGE");
    expect(codeOf(() => session.run([[1, 99]]))).toBe("E_RANGE");
    expect(codeOf(() => session.run([[1]], { names: "blocks.7.hook_resid_post" }))).toBe("E_NAME");
    const inside: string[] = [];
    const again: Hook = ["hook_embed", () => void inside.push(codeOf(() => session.run([[1]])))];
    session.run([[1]], { hooks: [again] });
    expect(inside).toEqual(["E_BUSY"]);
    expect(codeOf(() => model.openSession({ capacity: 25 }))).toBe("E_RANGE");
    session.dispose();
    session.dispose();
    expect(codeOf(() => session.run([[1]]))).toBe("E_CLOSED");
  });
});
