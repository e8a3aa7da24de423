/** Activations that no node holds (hook_{q,k,v}_input, hook_attn_in, hook_mlp_in, hook_result, hook_tokens): read, written, with gradients, on every kind of block. */
import { type ActivationCache, type Box, type Core, concat, Model, plus, subtract, sumOver, Tensor, type TransformerOptions } from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

const small: TransformerOptions = { nLayers: 2, dModel: 24, dHead: 6, nHeads: 4, dMlp: 32, nCtx: 8, dVocab: 13 };
const KINDS: [string, TransformerOptions][] = [
  ["LN", small],
  ["no norm", { ...small, normalization: "none" }],
  ["no norm, gated", { ...small, normalization: "none", gatedMlp: true }],
  ["RMS, grouped, rotary, gated", { ...small, normalization: "RMS", nKeyValueHeads: 2, positions: "rotary", gatedMlp: true, actFn: "silu" }],
  ["LNPre, parallel", { ...small, normalization: "LNPre", parallelAttnMlp: true }],
  ["attention only", { ...small, normalization: "RMSPre", attnOnly: true }],
  ["qk-norm, sub-norm", { ...small, normalization: "RMS", qkNorm: true, subNorm: true }],
  ["shortformer", { ...small, positions: "shortformer", normalization: "LNPre" }],
  ["ternary, own norms", { ...small, normalization: "RMS", quantizer: "ternary", linearNorm: true }],
];
const tokens = [
  [1, 2, 3, 4, 5],
  [7, 0, 12, 4, 9],
];
const others = [
  [6, 11, 3, 8, 5],
  [2, 10, 1, 4, 0],
];
let core: Core;
beforeAll(async () => {
  core = await coreUnderTest();
});

/** Weights away from their initial values, biases and gains included. */
function modelOf(config: TransformerOptions): Model {
  const model = Model.fromConfig(config, { core, seed: 5 });
  // Without norms activations would grow beyond what finite differences can follow.
  const size = config.normalization === "none" ? 1.5 : 8;
  for (const name of model.paramNames) {
    const { data } = model.readParam(name);
    model.writeParam(
      name,
      data.map((x, i) => x * (name.includes("W_") ? size : 1) + (size / 40) * Math.sin(i + name.length)),
    );
  }
  return model;
}

const away = (a: Tensor, b: Tensor): number =>
  Math.max(...a.data.map((x, i) => Math.abs(x - (b.data[i] as number)))) / Math.max(...b.data.map(Math.abs), 1e-30);
const head = (t: Tensor, h: number): Tensor => t.slice("head", h);
const has = (model: Model, name: string): boolean => model.hookNames.includes(name);
/** A stream [batch, pos, d] as the copy of one head. */
const asHead = (x: Tensor): Tensor => Tensor.from(x.data, [x.shape[0] as number, x.shape[1] as number, 1, x.shape[2] as number]);

describe.each(KINDS)("%s", (_, config) => {
  let model: Model;
  let cache: ActivationCache;
  let foreign: ActivationCache;
  let grads: ActivationCache;
  /** Any fixed gradient of the logits. */
  const loss = { grad: Float32Array.from({ length: 2 * 5 * 13 }, (_, i) => Math.cos(3 * i)) };
  beforeAll(() => {
    model = modelOf(config);
    cache = model.runWithCache(tokens, { names: [...model.hookNames] }).cache;
    foreign = model.runWithCache(others, { names: [...model.hookNames] }).cache;
    grads = model.runWithCache(tokens, { names: [...model.hookNames], inclGrad: true, loss }).cache;
  });

  it("names them once, in firing order, and keeps them only when named", () => {
    expect(cache.keys()).toEqual(model.hookNames);
    expect(new Set(model.hookNames).size).toBe(model.hookNames.length);
    expect(model.runWithCache(tokens).cache.keys()).toEqual(model.siteNames);
    expect(model.runWithCache(tokens, { names: "blocks.*.attn.hook_*" }).cache.has("blocks.0.attn.hook_result")).toBe(false);
    expect(model.runWithCache(tokens, { names: /hook_result$/ }).cache.keys()).toEqual(["blocks.0.attn.hook_result", "blocks.1.attn.hook_result"]);
  });

  it("the inputs are the stream, a copy a head", () => {
    expect(cache.get("blocks.1.hook_k_input")).toMatchObject({
      shape: [2, 5, config.nKeyValueHeads ?? 4, 24],
      axes: ["batch", "pos", "head", "d_model"],
    });
    expect(head(cache.get("blocks.1.hook_q_input"), 2).data).toEqual(cache.get("blocks.1.hook_resid_pre").data);
    const stream = config.parallelAttnMlp ? "hook_resid_pre" : "hook_resid_mid";
    if (has(model, "blocks.0.hook_mlp_in")) expect(cache.get("blocks.0.hook_mlp_in").data).toEqual(cache.get(`blocks.0.${stream}`).data);
    expect(has(model, "blocks.0.hook_mlp_in")).toBe(!config.attnOnly);
    expect([...cache.get("hook_tokens").data]).toEqual(tokens.flat());
  });

  it("the results of the heads and the bias sum to hook_attn_out", () => {
    const sum = sumOver(cache.get("blocks.1.attn.hook_result"), "head");
    const bias = model.readParam("blocks.1.attn.b_O").data;
    sum.data.forEach((x, i) => {
      sum.data[i] = x + (bias[i % 24] as number);
    });
    expect(away(sum, cache.get("blocks.1.hook_attn_out"))).toBeLessThan(1e-5);
  });

  it.each(["q", "k", "v"])("hook_%s_input takes the stream of another run into one head, and no other", (x) => {
    const patch = asHead(foreign.get("blocks.1.hook_resid_pre"));
    const { cache: after } = model.runWithCache(tokens, {
      hooks: [[`blocks.1.hook_${x}_input`, { kind: "set", at: { head: 1 }, value: patch }]],
      names: [`blocks.1.attn.hook_${x}`, "blocks.1.hook_resid_pre", `blocks.1.hook_${x}_input`],
    });
    const site = `blocks.1.attn.hook_${x}`;
    expect(away(head(after.get(site), 1), head(foreign.get(site), 1))).toBeLessThan(1e-5);
    expect(head(after.get(site), 0).data).toEqual(head(cache.get(site), 0).data);
    expect(after.get("blocks.1.hook_resid_pre").data).toEqual(cache.get("blocks.1.hook_resid_pre").data);
    expect(head(after.get(`blocks.1.hook_${x}_input`), 1).data).toEqual(patch.data);
  });

  it("hook_attn_in does so for queries, keys and values", () => {
    if (!has(model, "blocks.1.hook_attn_in")) {
      expect(config.nKeyValueHeads).toBe(2);
      return;
    }
    const { cache: after } = model.runWithCache(tokens, {
      hooks: [["blocks.1.hook_attn_in", (x: Tensor) => foreign.get("blocks.1.hook_attn_in").data.slice(0, x.size)]],
    });
    expect(away(after.get("blocks.1.hook_attn_out"), foreign.get("blocks.1.hook_attn_out"))).toBeLessThan(1e-5);
    const both = [
      ["blocks.1.hook_attn_in", { kind: "zero" }],
      ["blocks.1.hook_q_input", { kind: "zero" }],
    ] as const;
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: both }))).toBe("E_MODE");
  });

  it("hook_mlp_in changes what the MLP reads, and not the stream", () => {
    if (config.attnOnly) return;
    const { cache: after } = model.runWithCache(tokens, {
      hooks: [["blocks.1.hook_mlp_in", { kind: "patch", value: foreign.get("blocks.1.hook_mlp_in") }]],
    });
    expect(away(after.get("blocks.1.hook_mlp_out"), foreign.get("blocks.1.hook_mlp_out"))).toBeLessThan(1e-5);
    const rest = subtract(cache.get("blocks.1.hook_resid_post"), cache.get("blocks.1.hook_mlp_out"));
    expect(away(after.get("blocks.1.hook_resid_post"), plus(rest, after.get("blocks.1.hook_mlp_out")))).toBeLessThan(1e-5);
  });

  it("hook_result goes into hook_attn_out, where hooks see it", () => {
    const result = cache.get("blocks.1.attn.hook_result");
    let seen: Tensor | undefined;
    model.runWithHooks(tokens, {
      hooks: [
        ["blocks.1.attn.hook_result", { kind: "zero", at: { head: 3 } }],
        [
          "blocks.1.hook_attn_out",
          (x) => {
            seen = x.copy();
          },
        ],
      ],
    });
    const expected = subtract(cache.get("blocks.1.hook_attn_out"), head(result, 3));
    expect(away(seen as Tensor, expected)).toBeLessThan(1e-5);
    // Edits of the site where it shows come behind it.
    const zero = model.runWithCache(tokens, {
      hooks: [
        ["blocks.1.hook_attn_out", { kind: "zero", at: { pos: 2 } }],
        ["blocks.1.attn.hook_result", { kind: "scale", factor: 3 }],
      ],
      names: "blocks.1.hook_attn_out",
    });
    expect(
      zero.cache
        .get("blocks.1.hook_attn_out")
        .slice("pos", 2)
        .data.every((x) => x === 0),
    ).toBe(true);
  });

  it("hooks that change nothing change no bit", () => {
    const virtual = model.hookNames.filter((name) => !model.siteNames.includes(name) && !name.endsWith("attn_in"));
    const hooks = virtual.map((name) => [name, () => undefined] as const);
    expect(model.runWithHooks(tokens, { hooks }).data).toEqual(model.forward(tokens).data);
    expect(() => model.runWithHooks(tokens, { hooks: [["blocks.0.hook_q_input", (x) => x.data.subarray(1)]] })).toThrow(/E_SHAPE.*hook_q_input/);
  });

  it("gradients at the inputs sum to that of the stream", () => {
    const ofHeads = ["q", "k", "v"].map((x) => sumOver(grads.get(`blocks.1.hook_${x}_input_grad`), "head")).reduce(plus);
    const rest = [config.parallelAttnMlp ? "hook_mlp_in" : "", config.parallelAttnMlp || config.attnOnly ? "hook_resid_post" : "hook_resid_mid"]
      .filter((name) => name !== "")
      .map((name) => grads.get(`blocks.1.${name}_grad`));
    expect(away([ofHeads, ...rest].reduce(plus), grads.get("blocks.1.hook_resid_pre_grad"))).toBeLessThan(1e-5);
    if (has(model, "blocks.1.hook_attn_in")) expect(away(sumOver(grads.get("blocks.1.hook_attn_in_grad"), "head"), ofHeads)).toBeLessThan(1e-5);
    if (config.attnOnly || config.parallelAttnMlp) return;
    const stream = plus(grads.get("blocks.1.hook_mlp_in_grad"), grads.get("blocks.1.hook_resid_post_grad"));
    expect(away(stream, grads.get("blocks.1.hook_resid_mid_grad"))).toBeLessThan(1e-5);
    expect(head(grads.get("blocks.0.attn.hook_result_grad"), 2).data).toEqual(grads.get("blocks.0.hook_attn_out_grad").data);
    expect(grads.has("hook_tokens_grad")).toBe(false);
  });

  it.each(["hook_q_input", "hook_v_input", "hook_mlp_in", "attn.hook_result"])("gradients go through edits of %s", (site) => {
    if (!has(model, `blocks.1.${site}`)) return;
    const at: Box = site === "hook_mlp_in" ? { pos: [1, 3] } : { head: 1 };
    const hooks = [[`blocks.1.${site}`, { kind: "scale", factor: 0.5, at }]] as const;
    const direction = Float32Array.from({ length: 2 * 5 * 24 }, (_, i) => Math.sin(7 * i));
    const stream = has(model, "blocks.0.hook_resid_mid") ? "blocks.0.hook_resid_mid" : "blocks.1.hook_resid_pre";
    const move = (step: number) => ({ kind: "add", value: direction.map((x) => step * x) }) as const;
    const along = (step: number): number => {
      const logits = model.runWithHooks(tokens, { hooks: [[stream, move(step)], ...hooks] });
      return logits.data.reduce((sum, x, i) => sum + x * (loss.grad[i] as number), 0);
    };
    const { cache: back } = model.runWithCache(tokens, { names: stream, hooks, inclGrad: true, loss });
    const exact = back.get(`${stream}_grad`).data.reduce((sum, g, i) => sum + g * (direction[i] as number), 0);
    const h = 1e-3;
    const measured = (along(h) - along(-h)) / (2 * h);
    expect(Math.abs(measured - exact)).toBeLessThan(0.01 * Math.abs(exact) + 1e-2);
  });

  it("gradient hooks change what flows on", () => {
    const half = (g: Tensor) => g.data.map((x) => x / 2);
    const run = model.runWithCache(tokens, {
      names: ["blocks.1.hook_resid_pre", "blocks.1.hook_q_input"],
      gradHooks: [["blocks.1.hook_q_input", half]],
      inclGrad: true,
      loss,
    });
    const less = sumOver(grads.get("blocks.1.hook_q_input_grad"), "head");
    less.data.forEach((x, i) => {
      less.data[i] = x / 2;
    });
    const expected = subtract(grads.get("blocks.1.hook_resid_pre_grad"), less);
    expect(away(run.cache.get("blocks.1.hook_resid_pre_grad"), expected)).toBeLessThan(1e-5);
  });
});

describe("everything else", () => {
  it("tokens can be changed, and wrong ones are refused", () => {
    const model = modelOf(small);
    const logits = model.runWithHooks(tokens, { hooks: [["hook_tokens", () => Float32Array.from(others.flat())]] });
    expect(logits.data).toEqual(model.forward(others).data);
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["hook_tokens", { kind: "set", value: 0.5 }]] }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["hook_tokens", { kind: "set", value: 99 }]] }))).toBe("E_RANGE");
    using session = model.openSession();
    expect(codeOf(() => session.run([[1, 2]], { hooks: [["hook_tokens", { kind: "zero" }]] }))).toBe("E_MODE");
    expect(session.length).toBe(0);
  });

  it("sessions have them", () => {
    const model = modelOf(small);
    using session = model.openSession();
    session.run([[1, 2, 3]]);
    const { cache } = session.run([[4, 5]], { names: ["blocks.1.attn.hook_result", "blocks.1.hook_q_input", "hook_tokens"] });
    const whole = model.runWithCache([[1, 2, 3, 4, 5]], { names: "blocks.1.attn.hook_result" }).cache.get("blocks.1.attn.hook_result");
    expect(away(cache.get("blocks.1.attn.hook_result"), whole.slice("pos", [3, 5]))).toBeLessThan(1e-5);
    expect([...cache.get("hook_tokens").data]).toEqual([4, 5]);
  });

  it("generation has them, as one run over the whole text would", async () => {
    const model = modelOf(small);
    const prompt = [1, 2, 3, 4];
    const hooks = [["blocks.1.hook_q_input", { kind: "zero", at: { head: 2, pos: [2, 6] } }]] as const;
    const name = "blocks.1.attn.hook_result";
    const parts: Tensor[] = [];
    const text = [...prompt];
    for await (const step of model.generate([prompt], { maxTokens: 3, promptChunk: 3, hooks, names: [name, "hook_embed"] })) {
      expect(step.cache.keys()).toEqual(["hook_embed", name]);
      parts.push(step.cache.get(name));
      text.push(step.token);
    }
    const whole = model.runWithCache([text.slice(0, -1)], { hooks, names: name }).cache.get(name);
    expect(away(concat(parts, "pos"), whole)).toBeLessThan(1e-5);
  });

  it("hooks may be asynchronous, and a value is gone when its hook returned", async () => {
    const model = modelOf(small);
    let kept: Tensor | undefined;
    const logits = await model.runWithHooksAsync(tokens, {
      hooks: [
        [
          "blocks.0.hook_q_input",
          async (x) => {
            kept = x;
            await Promise.resolve();
            return x.data.map((v) => v * 2);
          },
        ],
      ],
    });
    expect(logits.data).toEqual(model.runWithHooks(tokens, { hooks: [["blocks.0.hook_q_input", { kind: "scale", factor: 2 }]] }).data);
    expect(codeOf(() => kept?.data)).toBe("E_CLOSED");
  });

  it("refuses what would be wrong", () => {
    const model = modelOf(small);
    const zero = { kind: "zero" } as const;
    const hooks = [["blocks.0.hook_q_input", zero]] as const;
    expect(codeOf(() => model.runWithCache(tokens, { hooks, loss: { targets: new Int32Array(10) }, paramGrads: true }))).toBe("E_MODE");
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["blocks.0.hook_q_input", { kind: "freeze" }]] }))).toBe("E_MODE");
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["blocks.0.hook_q_input", { kind: "zero", at: { head: 4 } }]] }))).toBe("E_RANGE");
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["blocks.0.hook_q_input", { kind: "set", value: [1, 2] }]] }))).toBe("E_SHAPE");
    expect(codeOf(() => model.runWithHooks(tokens, { hooks: [["blocks.5.hook_q_input", zero]] }))).toBe("E_NAME");
    expect(codeOf(() => model.runWithCache(tokens, { names: ["blocks.0.attn.hook_result"], budgetBytes: 2000 }))).toBe("E_MEMORY");
    expect(model.forward(tokens).size).toBe(2 * 5 * 13);
  });

  it("sweeps patch and freeze them", async () => {
    const model = modelOf(small);
    const foreign = model.runWithCache(others, { names: "blocks.1.hook_q_input" }).cache.get("blocks.1.hook_q_input");
    const edit = { kind: "patch", value: foreign, at: { head: 2 } } as const;
    const frozen = { edits: [["blocks.0.hook_attn_out", { kind: "zero" }] as const, ["blocks.1.hook_q_input", { kind: "freeze" }] as const] };
    const runs: Tensor[] = [];
    for await (const { logits } of model.sweep(tokens, [{ edits: [["blocks.1.hook_q_input", edit]] }, frozen])) runs.push(logits);
    expect(runs[1]?.data).toEqual(model.runWithHooks(tokens, { hooks: [["blocks.1.hook_q_input", edit]] }).data);
    const own = model.runWithCache(tokens, { names: "blocks.1.hook_q_input" }).cache.get("blocks.1.hook_q_input");
    const held = model.runWithHooks(tokens, {
      hooks: [
        ["blocks.0.hook_attn_out", { kind: "zero" }],
        ["blocks.1.hook_q_input", { kind: "set", value: own }],
      ],
    });
    expect(runs[2]?.data).toEqual(held.data);
  });

  it("packed models and their twins have the same", async () => {
    for (const { packed, twin } of [packedAndTwin(core, 2), await storedAndTwin(core, 2)]) {
      const names = packed.hookNames.filter((n) => /_input$|result$|mlp_in$/.test(n));
      const loss = { targets: Int32Array.from(tokens.flat()) };
      const hooks = [["blocks.0.hook_k_input", { kind: "scale", factor: 0.5, at: { head: 1 } }]] as const;
      const [a, b] = [packed, twin].map((model) => model.runWithCache(tokens, { names, hooks, loss, inclGrad: true }).cache) as [
        ActivationCache,
        ActivationCache,
      ];
      for (const name of a.keys()) expect(away(a.get(name), b.get(name)), name).toBeLessThan(1e-5);
    }
  });

  it("works with int8 activations", () => {
    const config: TransformerOptions = { ...small, normalization: "RMS", quantizer: "ternary", actQuant: "int8", subNorm: true };
    for (const quantSites of [true, false]) {
      const model = modelOf({ ...config, quantSites });
      const { cache } = model.runWithCache(tokens, { names: [...model.hookNames] });
      const sum = sumOver(cache.get("blocks.1.attn.hook_result"), "head");
      const bias = model.readParam("blocks.1.attn.b_O").data;
      sum.data.forEach((x, i) => {
        sum.data[i] = x + (bias[i % 24] as number);
      });
      expect(away(sum, cache.get("blocks.1.hook_attn_out"))).toBeLessThan(1e-5);
      const foreign = model.runWithCache(others, { names: ["blocks.1.hook_q_input", "blocks.1.attn.hook_q"] }).cache;
      const after = model.runWithCache(tokens, {
        hooks: [["blocks.1.hook_q_input", { kind: "patch", value: foreign.get("blocks.1.hook_q_input") }]],
        names: "blocks.1.attn.hook_q",
      });
      expect(away(after.cache.get("blocks.1.attn.hook_q"), foreign.get("blocks.1.attn.hook_q"))).toBeLessThan(1e-5);
    }
  });
});
