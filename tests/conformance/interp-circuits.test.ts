/** Circuits: running them against what can be worked out by hand, and finding a planted one. */
import { type Hook, Model, Tensor, type TransformerOptions } from "tritlens";
import {
  acdc,
  Circuit,
  CircuitRunner,
  completeness,
  faithfulness,
  faithfulnessCurve,
  greedyEdges,
  logitDiff,
  minimality,
  topEdges,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { packedAndTwin, storedAndTwin } from "../support/twins.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Awaited<ReturnType<typeof coreUnderTest>>;
beforeAll(async () => {
  core = await coreUnderTest();
});

const BASE: TransformerOptions = { nLayers: 2, dModel: 16, dHead: 4, nHeads: 4, dMlp: 24, nCtx: 8, dVocab: 11 };
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
const CLEAN = [
  [1, 5, 3, 7, 2],
  [4, 0, 9, 10, 6],
];
const CORRUPT = [
  [2, 5, 8, 7, 1],
  [4, 3, 9, 0, 0],
];

/** A model whose biases are not zero, since those must stay when everything is ablated. */
function modelOf(change: Partial<TransformerOptions>, seed = 3): Model {
  const model = Model.fromConfig({ ...BASE, ...change }, { core, seed });
  for (const name of model.paramNames) {
    const { data } = model.readParam(name);
    if (/\.b_?\w*$/.test(name))
      model.writeParam(
        name,
        data.map((_, i) => Math.sin(i + name.length) / 4),
      );
  }
  return model;
}

/** Largest difference, relative to the largest entry. */
function apart(a: Tensor, b: Tensor): number {
  const most = b.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  return a.data.reduce((m, x, i) => Math.max(m, Math.abs(x - (b.data[i] as number))), 0) / most;
}

const as3 = (t: Tensor): Tensor => (t.shape.length === 3 ? t : t.reshape([t.shape[0] as number, 1, t.shape[1] as number]));

describe.each(Object.entries(ARCHITECTURES))("circuits of a model (%s)", (_, change) => {
  // An int8 code on a border may fall to the other side when sums are taken in another order.
  const tolerance = change.actQuant === "int8" ? 2e-2 : 2e-5;

  it("full: the model, bit for bit", () => {
    using model = modelOf(change);
    for (const options of [{ ablation: "zero" }, { ablation: "mean" }, { corrupt: CORRUPT }] as const)
      expect(Circuit.full(model).run(model, CLEAN, options).data).toEqual(model.forward(CLEAN).data);
  });

  it("empty: nothing of the prompt is left", () => {
    using model = modelOf(change);
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
    using model = modelOf(change);
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
    using model = modelOf(change);
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
    using model = modelOf({ normalization: "none" });
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

/** What one head writes, [batch * pos, d_model]. */
function headResult(model: Model, z: Tensor, layer: number, head: number): Float32Array {
  const wo = model.weight(`blocks.${layer}.attn.W_O`).slice("head", head).data;
  const one = z.slice("head", head).data;
  const out = new Float32Array((one.length / 4) * 16);
  core.matmul(one, wo, one.length / 4, 4, 16, out);
  return out;
}

/**
 * Two blocks of two heads without norms. Attention is uniform. a0.h1 moves the tokens to the middle of the residual stream, a1.h0 from there to what the logits read; the two other
 * heads move as much around where nobody reads it.
 */
function planted(): Model {
  const model = Model.fromConfig(
    {
      nLayers: 2,
      dModel: 12,
      dHead: 4,
      nHeads: 2,
      nCtx: 3,
      dVocab: 4,
      attnOnly: true,
      normalization: "none",
      positions: "none",
      attnBias: false,
      unembedBias: false,
    },
    { core },
  );
  const unit = (rows: number, from: number): Float32Array =>
    Float32Array.from({ length: rows * 12 }, (_, i) => (i % 12 === Math.floor(i / 12) + from ? 1 : 0));
  const turned = (m: Float32Array): Float32Array => Float32Array.from(m, (_, i) => m[(i % 4) * 12 + Math.floor(i / 4)] as number);
  const zero = new Float32Array(2 * 4 * 12);
  const heads = (a: Float32Array, b: Float32Array): Float32Array => Float32Array.from([...a, ...b]);
  // W_O is [d_model, head, d_head] in the core.
  const outputs = (a: number, b: number): Float32Array => {
    const [x, y] = [turned(unit(4, a)), turned(unit(4, b))];
    return Float32Array.from({ length: 12 * 8 }, (_, i) => (i % 8 < 4 ? x : y)[Math.floor(i / 8) * 4 + (i % 4)] as number);
  };
  for (const l of [0, 1]) for (const x of ["Q", "K"]) model.writeParam(`blocks.${l}.attn.W_${x}`, zero);
  model.writeParam("embed.W_E", unit(4, 0));
  model.writeParam("unembed.W_U", unit(4, 8));
  model.writeParam("blocks.0.attn.W_V", heads(unit(4, 0), unit(4, 0)));
  model.writeParam("blocks.0.attn.W_O", outputs(0, 4));
  model.writeParam("blocks.1.attn.W_V", heads(unit(4, 4), unit(4, 0)));
  model.writeParam("blocks.1.attn.W_O", outputs(8, 4));
  return model;
}
const PLANTED = ["input->a0.h1<v>", "a0.h1->a1.h0<v>", "a1.h0->logits"].sort();
const ids = (circuit: Circuit): string[] => circuit.edges.map((e) => e.id).sort();
const tokens = [[0, 0, 0]];
const other = [[1, 1, 1]];

describe("a planted circuit", () => {
  it("is found by ACDC, with either distance and either ablation", async () => {
    using model = planted();
    const metric = logitDiff(0, 1);
    for (const options of [{ corrupt: other }, { ablation: "zero" as const }, { corrupt: other, metric }]) {
      const { circuit, distance, complete, steps } = await acdc(model, tokens, { threshold: 0.01, ...options });
      expect(ids(circuit)).toEqual(PLANTED);
      expect(complete).toBe(true);
      expect(distance).toBeLessThan(1e-6);
      expect(
        steps
          .filter((s) => s.kept)
          .map((s) => s.edge)
          .sort(),
      ).toEqual(PLANTED);
      expect(circuit.edges.every((e) => e.score > 0.01)).toBe(true);
    }
  });

  it("is found in the same steps one run after the other", async () => {
    using model = modelOf({ normalization: "none" });
    const runner = new CircuitRunner(model, CLEAN, { corrupt: CORRUPT });
    expect(runner.together).toBeGreaterThan(20);
    const options = { threshold: 1e-4, corrupt: CORRUPT };
    const budgetBytes = (1.5 * 2 ** 28) / runner.together;
    expect(new CircuitRunner(model, CLEAN, { corrupt: CORRUPT, budgetBytes }).together).toBe(1);
    const batched = await acdc(model, CLEAN, options);
    const single = await acdc(model, CLEAN, { ...options, budgetBytes });
    expect(batched.steps.map((s) => [s.edge, s.kept])).toEqual(single.steps.map((s) => [s.edge, s.kept]));
    expect(ids(batched.circuit)).toEqual(ids(single.circuit));
    expect(batched.circuit.size).toBeGreaterThan(3);
    expect(batched.circuit.size).toBeLessThan(Circuit.full(model).size);
  });

  it("is found by scores, from the logits down and at once", async () => {
    using model = planted();
    const scored = await removalScores(model);
    expect(ids(greedyEdges(scored, 3))).toEqual(PLANTED);
    expect(ids(topEdges(scored, 3))).toEqual(PLANTED);
    const edges = scored.graph.edges.length;
    const curve = await faithfulnessCurve(model, tokens, scored, logitDiff(0, 1), {
      corrupt: other,
      proportions: [0, 2 / edges, 3 / edges, 1],
      select: "greedy",
    });
    expect([...curve.faithfulness].map((f) => Math.round(1e6 * f) / 1e6)).toEqual([0, 0, 1, 1]);
    expect([...curve.outside].map((f) => Math.round(1e6 * f) / 1e6)).toEqual([1, 1, 0, 0]);
    expect(curve.cpr).toBeCloseTo(1 - 3 / edges + 0.5 / edges, 6);
    expect(curve.cmd).toBeCloseTo(2 / edges + 0.5 / edges, 6);
  });

  it("is faithful, complete and minimal", async () => {
    using model = planted();
    const circuit = Circuit.fromEdges(model, PLANTED);
    const options = { corrupt: other };
    const faith = await faithfulness(model, circuit, tokens, logitDiff(0, 1), options);
    expect(faith.faithfulness).toBeCloseTo(1, 6);
    expect(faith.outside).toBeCloseTo(0, 6);
    expect((await completeness(model, circuit, tokens, logitDiff(0, 1), { ...options, samples: 8 })).gap).toBeLessThan(1e-6);
    expect((await minimality(model, circuit, tokens, logitDiff(0, 1), options)).parts.map((p) => p.change)).toEqual([1, 1]);
    const spare = circuit.with(["a0.h0->logits"]);
    const { parts } = await minimality(model, spare, tokens, logitDiff(0, 1), { ...options, parts: "edges" });
    expect(parts.at(-1)).toEqual({ id: "a0.h0->logits", value: faith.circuit, change: 0 });
    // Half of it is neither.
    const half = await faithfulness(model, circuit.without(["a1.h0->logits"]), tokens, logitDiff(0, 1), options);
    expect([half.faithfulness, half.outside]).toEqual([0, 0]);
    expect((await completeness(model, circuit.without(["a1.h0->logits"]), tokens, logitDiff(0, 1), { ...options, samples: 8 })).gap).toBeCloseTo(
      1,
      6,
    );
  });
});

/** |change of the logit difference| without each edge alone. */
async function removalScores(model: Model): Promise<{ graph: Circuit["graph"]; scores: Tensor }> {
  const runner = new CircuitRunner(model, tokens, { corrupt: other });
  const full = Circuit.full(model);
  const [plain, ...values] = await runner.values([full, ...runner.graph.edges.map((e) => full.without([e.id]))], logitDiff(0, 1));
  return {
    graph: runner.graph,
    scores: Tensor.from(
      Float32Array.from(values, (v) => Math.abs(v - (plain as number))),
      [values.length],
      ["edge"],
    ),
  };
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

describe("wrong input", () => {
  it("is refused with a code, and the model goes on", async () => {
    using model = modelOf({});
    const full = Circuit.full(model);
    const rejects = async (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => "nothing",
        (e: { code?: string; message: string }) => e.code ?? e.message,
      );
    expect(codeOf(() => full.run(model, CLEAN, { corrupt: [[1, 2, 3]] }))).toBe("E_SHAPE");
    expect(codeOf(() => full.run(model, CLEAN, { corrupt: CORRUPT.slice(1) }))).toBe("E_SHAPE");
    expect(codeOf(() => full.run(model, CLEAN, { ablation: "resample" }))).toBe("E_MODE");
    expect(codeOf(() => full.run(model, CLEAN, { ablation: "half" as "zero" }))).toBe("E_MODE");
    expect(codeOf(() => full.run(model, CLEAN, { budgetBytes: 100 }))).toBe("E_MEMORY");
    using small = modelOf({ nHeads: 2 });
    expect(codeOf(() => full.run(small, CLEAN))).toBe("E_SHAPE");
    using late = modelOf({ positions: "shortformer", quantizer: "ternary", actQuant: "int8" });
    expect(codeOf(() => Circuit.full(late).run(late, CLEAN))).toBe("E_MODE");
    using bare = Model.fromSpec(model.spec, { core });
    expect(codeOf(() => Circuit.full(bare))).toBe("E_SPEC");
    expect(await rejects(acdc(model, CLEAN, { threshold: -1 }))).toBe("E_RANGE");
    expect(await rejects(faithfulness(model, full, CLEAN, () => Number.NaN))).toBe("E_NONFINITE");
    expect(await rejects(faithfulness(model, full, CLEAN, () => "x" as unknown as number))).toBe("E_SHAPE");
    const thrower = (): number => {
      throw new Error("mine");
    };
    expect(await rejects(faithfulness(model, full, CLEAN, thrower))).toBe("mine");
    expect(await rejects(faithfulness(model, full, CLEAN, logitDiff(99, 0)))).toBe("E_RANGE");
    expect(await rejects(completeness(model, full, CLEAN, logitDiff(0, 1), { samples: 0 }))).toBe("E_RANGE");
    const scored = { graph: full.graph, scores: Tensor.from(new Float32Array(full.mask.length).fill(1), [full.mask.length], ["edge"]) };
    expect(await rejects(faithfulnessCurve(model, CLEAN, scored, logitDiff(0, 1), { proportions: [0.5, 0.1] }))).toBe("E_RANGE");
    expect(await rejects(faithfulnessCurve(model, CLEAN, scored, () => 1))).toBe("E_NONFINITE");
    expect(full.run(model, CLEAN).data).toEqual(model.forward(CLEAN).data);
  });

  it("an abort ends ACDC with what there is, or an error", async () => {
    using model = modelOf({});
    for (const stopOnAbort of [true, false]) {
      const stop = new AbortController();
      const onProgress = ({ done }: { done: number }): void => {
        if (done > 5) stop.abort(new Error("enough"));
      };
      const work = acdc(model, CLEAN, { corrupt: CORRUPT, threshold: 0, signal: stop.signal, onProgress, stopOnAbort });
      if (!stopOnAbort) await expect(work).rejects.toMatchObject({ code: "E_ABORTED" });
      else {
        const { complete, steps, circuit } = await work;
        expect(complete).toBe(false);
        expect(steps.length).toBeGreaterThan(0);
        expect(circuit.size).toBeGreaterThan(0);
      }
    }
  });

  it("an abort of other measurements gives NaN for what is not there", async () => {
    using model = modelOf({});
    const full = Circuit.full(model);
    const runner = new CircuitRunner(model, CLEAN);
    const budgetBytes = (1.5 * 2 ** 28) / runner.together;
    const stopped = (): { signal: AbortSignal; onProgress: (p: { done: number }) => void; stopOnAbort: boolean; budgetBytes: number } => {
      const stop = new AbortController();
      return { signal: stop.signal, onProgress: ({ done }) => (done >= 5 ? stop.abort() : undefined), stopOnAbort: true, budgetBytes };
    };
    const parts = await minimality(model, full, CLEAN, logitDiff(0, 1), stopped());
    expect(parts.complete).toBe(false);
    expect(parts.parts.map((p) => Number.isNaN(p.change))).toEqual([false, false, ...Array.from({ length: 8 }, () => true)]);
    const sets = await completeness(model, full, CLEAN, logitDiff(0, 1), stopped());
    expect([sets.complete, sets.gap]).toEqual([false, 0]);
    expect((await faithfulness(model, full, CLEAN, logitDiff(0, 1), stopped())).complete).toBe(true);
    await expect(minimality(model, full, CLEAN, logitDiff(0, 1), { ...stopped(), stopOnAbort: false })).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(full.run(model, CLEAN).data).toEqual(model.forward(CLEAN).data);
  });
});
