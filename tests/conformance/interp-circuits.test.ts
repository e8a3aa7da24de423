/** Circuits as models: against hooks, against exact edge patching, and on low-bit models. */
import { concat, type Hook, type Model, type Tensor, type TransformerOptions } from "tritlens";
import { acdc, Circuit, CircuitRunner, exactEdgeScores, logitDiff } from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { apart, CLEAN, CORRUPT, ids, modelOf } from "../support/circuits.ts";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { coreUnderTest } from "./support.ts";

let core: Awaited<ReturnType<typeof coreUnderTest>>;
beforeAll(async () => {
  core = await coreUnderTest();
});

const ARCHITECTURES: Readonly<Record<string, Partial<TransformerOptions>>> = {
  LN: {},
  "no norm": { normalization: "none" },
  "parallel, rotary": { parallelAttnMlp: true, positions: "rotary", normalization: "LNPre" },
  "GQA, RMS, gated, qk-norm": { nKeyValueHeads: 2, normalization: "RMS", gatedMlp: true, actFn: "silu", positions: "rotary", qkNorm: true },
  "attention only, shortformer": { attnOnly: true, positions: "shortformer" },
  BitNet: {
    quantizer: "ternary",
    actQuant: "int8",
    normalization: "RMS",
    subNorm: true,
    gatedMlp: true,
    positions: "rotary",
    attnBias: false,
    mlpBias: false,
  },
  "last position only": { readout: "last" },
};
const as3 = (t: Tensor): Tensor => (t.shape.length === 3 ? t : t.reshape([t.shape[0] as number, 1, t.shape[1] as number]));

describe.each(Object.entries(ARCHITECTURES))("circuits of a model (%s)", (_, change) => {
  // An int8 code on a border may fall to the other side when sums are taken in another order.
  const tolerance = change.actQuant === "int8" ? 2e-2 : 2e-5;

  it("full: the model, bit for bit", () => {
    using model = modelOf(core, change);
    for (const options of [{ ablation: "zero" }, { ablation: "mean" }, { corrupt: CORRUPT }] as const)
      expect(Circuit.full(model).run(model, CLEAN, options).data).toEqual(model.forward(CLEAN).data);
  });

  it("empty: nothing of the prompt is left", () => {
    using model = modelOf(core, change);
    expect(apart(Circuit.empty(model).run(model, CLEAN, { corrupt: CORRUPT }), as3(model.forward(CORRUPT)))).toBeLessThan(tolerance);
    const last = `blocks.${model.layers - 1}.hook_resid_post`;
    const everywhere = (row: (d: number) => number): Hook => [last, (x) => x.data.map((_, i) => row(i % 16))];
    const biases = [0, 1].map((l) => (model.paramNames.includes(`blocks.${l}.attn.b_O`) ? model.readParam(`blocks.${l}.attn.b_O`).data : undefined));
    const silent = model.runWithHooks(CLEAN, { hooks: [everywhere((d) => biases.reduce((sum, b) => sum + (b?.[d] ?? 0), 0))] });
    // Without any bias the final norm of zeros is zero, and so are the logits but for b_U.
    expect(apart(Circuit.empty(model).run(model, CLEAN, { ablation: "zero" }), as3(silent))).toBeLessThan(tolerance);
    const mean = model.runWithHooks(CLEAN, { hooks: [[last, { kind: "mean" }]] });
    expect(apart(Circuit.empty(model).run(model, CLEAN, { ablation: "mean" }), as3(mean))).toBeLessThan(tolerance);
  });

  it("without nodes: as with hooks at what the nodes write", () => {
    using model = modelOf(core, change);
    const { cache } = model.runWithCache(CORRUPT);
    const nodes = change.attnOnly ? ["a0.h1", "a0.h2", "a1.h3"] : ["a0.h1", "a0.h2", "a1.h3", "m0"];
    // Sub-norms see all heads at once: silencing one at hook_z changes what the others write.
    if (change.subNorm) nodes.splice(0, 3);
    const circuit = Circuit.full(model).withoutNodes(nodes);
    const hooks = (zero: boolean): Hook[] =>
      nodes.map((node): Hook => {
        const [, kind, layer, head] = /^(a|m)(\d)(?:\.h(\d))?$/.exec(node) as RegExpExecArray;
        const site = kind === "a" ? `blocks.${layer}.attn.hook_z` : `blocks.${layer}.hook_mlp_out`;
        const at = kind === "a" ? { at: { head: Number(head) } } : {};
        if (zero) return [site, { kind: "zero", ...at }];
        const value = kind === "a" ? cache.get(site).slice("head", [Number(head), Number(head) + 1]) : cache.get(site);
        return [site, { kind: "set", value, ...at }];
      });
    for (const zero of [true, false]) {
      const found = circuit.run(model, CLEAN, zero ? { ablation: "zero" } : { corrupt: CORRUPT });
      const expected = as3(model.runWithHooks(CLEAN, { hooks: hooks(zero) }));
      expect(apart(expected, as3(model.forward(CLEAN)))).toBeGreaterThan(1e-3);
      expect(apart(found, expected)).toBeLessThan(tolerance);
    }
  });

  it("together as alone", () => {
    using model = modelOf(core, change);
    const runner = new CircuitRunner(model, CLEAN, { corrupt: CORRUPT });
    const some = [1, 2, 3, 4].map(
      (k) =>
        new Circuit(
          runner.graph,
          runner.graph.edges.map((_, i) => ((i * k) % 5 > 1 ? 1 : 0)),
        ),
    );
    const together = runner.logits([Circuit.full(model), ...some]);
    for (const [i, circuit] of some.entries())
      expect(apart(together[i + 1] as Tensor, circuit.run(model, CLEAN, { corrupt: CORRUPT }))).toBeLessThan(tolerance);
    expect(apart(together[1] as Tensor, together[2] as Tensor)).toBeGreaterThan(1e-3);
  });
});

describe("single edges of a linear path", () => {
  it("take away what their sender gives to this input only", () => {
    using model = modelOf(core, { normalization: "none" });
    const { cache } = model.runWithCache(CLEAN);
    const result = headResult(model, cache.get("blocks.0.attn.hook_z"), 0, 2);
    // To the queries of a1.h1: q - result . W_Q.
    const [wq, d] = [model.weight("blocks.1.attn.W_Q").slice("head", 1).data, 4];
    const q: Hook = [
      "blocks.1.attn.hook_q",
      ({ data }) => {
        for (let row = 0; row < 10; row++)
          for (let k = 0; k < d; k++)
            for (let i = 0; i < 16; i++)
              data[(row * 4 + 1) * d + k] = (data[(row * 4 + 1) * d + k] as number) - (result[row * 16 + i] as number) * (wq[i * d + k] as number);
      },
    ];
    const logits: Hook = ["blocks.1.hook_resid_post", ({ data }) => data.map((x, i) => x - (result[i] as number))];
    for (const [edge, hook] of [
      ["a0.h2->a1.h1<q>", q],
      ["a0.h2->logits", logits],
    ] as const) {
      const found = Circuit.full(model).without([edge]).run(model, CLEAN, { ablation: "zero" });
      const expected = model.runWithHooks(CLEAN, { hooks: [hook] });
      expect(apart(expected, model.forward(CLEAN))).toBeGreaterThan(1e-4);
      expect(apart(found, expected)).toBeLessThan(2e-6);
    }
  });
});

describe.each([
  ["LN", {}],
  ["GQA, RMS, gated", { nKeyValueHeads: 2, normalization: "RMS" as const, gatedMlp: true, positions: "rotary" as const }],
  ["parallel", { parallelAttnMlp: true }],
])("every single edge (%s)", (_, change) => {
  it("changes the metric by what exact edge patching says", async () => {
    using model = modelOf(core, change);
    const metric = logitDiff([1, 2], [3, 4]);
    const runner = new CircuitRunner(model, CLEAN, { corrupt: CORRUPT });
    const full = Circuit.full(runner.graph);
    const [plain, ...values] = await runner.values([full, ...runner.graph.edges.map((e) => full.without([e.id]))], metric);
    const exact = await exactEdgeScores(model, CLEAN, CORRUPT, metric);
    const most = exact.scores.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    for (const [i, { id }] of runner.graph.edges.entries())
      expect(Math.abs((values[i] as number) - (plain as number) - (exact.scores.data[i] as number)), id).toBeLessThan(1e-4 * most);
  });
});

/**
 * A circuit part by part: the input of each part goes into a run of its own in place of the residual stream there, and what the part makes of it is read off. Slow, and without any of the
 * activations that the runner works with.
 */
function byParts(model: Model, circuit: Circuit, corrupt: number[][] | undefined): Tensor {
  const { senders, receivers } = circuit.graph;
  const names = ["blocks.*.hook_resid_*", "blocks.*.attn.hook_z", "blocks.*.hook_mlp_out"];
  const other = model.runWithCache(corrupt ?? CLEAN, { names }).cache;
  const outputs = (of: (site: string) => Tensor): Float32Array[] =>
    senders.map(({ kind, layer, head = 0 }): Float32Array => {
      if (kind === "head") return headResult(model, of(`blocks.${layer}.attn.hook_z`), layer, head);
      return of(kind === "input" ? "blocks.0.hook_resid_pre" : `blocks.${layer}.hook_mlp_out`).data;
    });
  const ablated = outputs((site) => other.get(site)).map((x): Float32Array => (corrupt ? x : x.map(() => 0)));
  const now = ablated.map((x): Float32Array => x.slice());
  now[0] = model.runWithCache(CLEAN, { names: "blocks.0.hook_resid_pre" }).cache.get("blocks.0.hook_resid_pre").data;
  const streamOf = (site: string): Float32Array => {
    if (corrupt) return other.get(site).data;
    const layers = Number(site.split(".")[1]) + (site.endsWith("pre") ? 0 : 1);
    const biases = Array.from({ length: layers }, (_, l) => model.readParam(`blocks.${l}.attn.b_O`).data);
    return Float32Array.from({ length: 160 }, (_, i) => biases.reduce((sum, b) => sum + (b[i % 16] as number), 0));
  };
  /** The stream at `site` as a receiver reads it. */
  const input = (id: string, site: string): Hook => {
    const sum = streamOf(site).slice();
    const r = circuit.graph.receiverIndex(id);
    for (let k = 0; k < (receivers[r]?.reads ?? 0); k++)
      if (circuit.mask[circuit.graph.edgeAt(k, r) as number])
        for (const [i, x] of (now[k] as Float32Array).entries()) sum[i] = (sum[i] as number) + x - (ablated[k]?.[i] as number);
    return [site, () => sum];
  };
  for (let l = 0; l < 2; l++) {
    const at = `blocks.${l}.`;
    const parts = (["q", "k", "v"] as const).map((x): Hook => {
      const all = [0, 1, 2, 3].map((h) => {
        const site = `${at}attn.hook_${x}`;
        const { cache } = model.runWithCache(CLEAN, { names: site, hooks: [input(`a${l}.h${h}<${x}>`, `${at}hook_resid_pre`)] });
        return cache.get(site).slice("head", [h, h + 1]);
      });
      return [`${at}attn.hook_${x}`, () => concat(all, "head")];
    });
    const z = model.runWithCache(CLEAN, { names: `${at}attn.hook_z`, hooks: parts }).cache.get(`${at}attn.hook_z`);
    for (let h = 0; h < 4; h++) now[circuit.graph.senderIndex(`a${l}.h${h}`)] = headResult(model, z, l, h);
    const mlp = `${at}hook_mlp_out`;
    const { cache } = model.runWithCache(CLEAN, { names: mlp, hooks: [input(`m${l}`, `${at}hook_resid_mid`)] });
    now[circuit.graph.senderIndex(`m${l}`)] = cache.get(mlp).data;
  }
  return model.runWithHooks(CLEAN, { hooks: [input("logits", "blocks.1.hook_resid_post")] });
}

describe("circuits of any edges", () => {
  it.each([1, 2, 3, 4])("run as their parts do, one by one (%i)", (k) => {
    using model = modelOf(core, {});
    const { graph } = Circuit.full(model);
    const chance = new Float32Array(graph.edges.length);
    core.random(k, 0, 0, chance);
    const circuit = new Circuit(
      graph,
      chance.map((x) => (x < k / 5 ? 1 : 0)),
    );
    for (const corrupt of [CORRUPT, undefined]) {
      const found = circuit.run(model, CLEAN, corrupt ? { corrupt } : { ablation: "zero" });
      expect(apart(found, model.forward(CLEAN))).toBeGreaterThan(1e-2);
      expect(apart(found, byParts(model, circuit, corrupt))).toBeLessThan(1e-5);
    }
  });
});

/** What one head writes, [batch * pos, d_model]. */
function headResult(model: Model, z: Tensor, layer: number, head: number): Float32Array {
  const wo = model.weight(`blocks.${layer}.attn.W_O`).slice("head", head).data;
  const one = z.slice("head", head).data;
  const out = new Float32Array((one.length / 4) * 16);
  core.matmul(one, wo, one.length / 4, 4, 16, out);
  return out;
}

describe("low-bit models", () => {
  it.each(["latent", "stored"])("have the circuits of their dense twins (%s)", async (kind) => {
    const { packed, twin } = kind === "latent" ? packedAndTwin(core, 1) : await storedAndTwin(core, 1);
    const [clean, corrupt] = [CLEAN, CORRUPT];
    const graph = Circuit.full(twin).graph;
    const circuit = new Circuit(
      graph,
      graph.edges.map((_, i) => Math.sign(i % 3)),
    );
    for (const options of [{ ablation: "zero" }, { ablation: "mean" }, { corrupt }] as const)
      expect(apart(circuit.run(packed, clean, options), circuit.run(twin, clean, options))).toBeLessThan(1e-5);
    const found = [packed, twin].map((model) => acdc(model, clean.slice(0, 1), { corrupt: corrupt.slice(0, 1), threshold: 0.002 }));
    const [a, b] = await Promise.all(found);
    expect(ids(a?.circuit as Circuit)).toEqual(ids(b?.circuit as Circuit));
    packed.dispose();
    twin.dispose();
  });
});
