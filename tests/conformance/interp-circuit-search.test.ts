/** Finding and judging circuits: a planted one is found, and wrong input is refused. */
import { Model, Tensor } from "tritlens";
import {
  acdc,
  Circuit,
  CircuitRunner,
  completeness,
  eap,
  faithfulness,
  faithfulnessCurve,
  greedyEdges,
  logitDiff,
  minimality,
  topEdges,
} from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { CLEAN, CORRUPT, ids, modelOf } from "../support/circuits.ts";
import { codeOf, coreUnderTest } from "./support.ts";

let core: Awaited<ReturnType<typeof coreUnderTest>>;
beforeAll(async () => {
  core = await coreUnderTest();
});

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

  it("is found by ACDC among the best edges", async () => {
    using model = planted();
    const start = topEdges(eap(model, tokens, other, logitDiff(0, 1)), 10, { prune: false });
    const { circuit, steps } = await acdc(model, tokens, { threshold: 0.01, corrupt: other, start });
    expect(ids(circuit)).toEqual(PLANTED);
    expect(steps.every((s) => start.has(s.edge))).toBe(true);
  });

  it("is found in the same steps one run after the other", async () => {
    using model = modelOf(core, { normalization: "none" });
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
    expect(ids(topEdges(eap(model, tokens, other, logitDiff(0, 1)), 3))).toEqual(PLANTED);
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

describe("wrong input", () => {
  it("is refused with a code, and the model goes on", async () => {
    using model = modelOf(core, {});
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
    using small = modelOf(core, { nHeads: 2 });
    expect(codeOf(() => full.run(small, CLEAN))).toBe("E_SHAPE");
    using late = modelOf(core, { positions: "shortformer", quantizer: "ternary", actQuant: "int8" });
    expect(codeOf(() => Circuit.full(late).run(late, CLEAN))).toBe("E_MODE");
    using bare = Model.fromSpec(model.spec, { core });
    expect(codeOf(() => Circuit.full(bare))).toBe("E_SPEC");
    expect(await rejects(acdc(model, CLEAN, { threshold: -1 }))).toBe("E_RANGE");
    expect(await rejects(acdc(model, CLEAN, { threshold: 1, start: Circuit.full(small) }))).toBe("E_SHAPE");
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
    using model = modelOf(core, {});
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
    using model = modelOf(core, {});
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
