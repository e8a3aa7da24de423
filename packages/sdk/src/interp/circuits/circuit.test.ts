import { Tensor, transformerConfig } from "tritlens";
import { Circuit, greedyEdges, ModelGraph, topEdges, topNodes, type ViewerGraph } from "tritlens/interp";
import { describe, expect, it } from "vitest";

const sizes = { nLayers: 2, dModel: 8, dHead: 2, nHeads: 4, dMlp: 8, nCtx: 4, dVocab: 5 };
const graphOf = (options: object = {}): ModelGraph => new ModelGraph(transformerConfig({ ...sizes, ...options }));
const PATH = ["input->a0.h1<v>", "a0.h1->a1.h2<q>", "a1.h2->m1", "m1->logits"];

/** Scores that are 0 but for these edges. */
function scored(graph: ModelGraph, some: Readonly<Record<string, number>>): { graph: ModelGraph; scores: Tensor } {
  const data = new Float32Array(graph.edges.length);
  for (const [id, x] of Object.entries(some)) data[graph.edgeIndex(id)] = x;
  return { graph, scores: Tensor.from(data, [data.length], ["edge"]) };
}

const ids = (circuit: Circuit): string[] => circuit.edges.map((e) => e.id);

describe("Circuit", () => {
  it("is a set of edges", () => {
    const graph = graphOf();
    const circuit = Circuit.fromEdges(graph, PATH);
    expect(circuit.size).toBe(4);
    expect(circuit.density).toBe(4 / graph.edges.length);
    expect(ids(circuit).sort()).toEqual([...PATH].sort());
    expect(circuit.nodes.map((n) => n.id)).toEqual(["input", "a0.h1", "a1.h2", "m1", "logits"]);
    expect(circuit.has("m1->logits")).toBe(true);
    expect(circuit.without(["m1->logits"]).has("m1->logits")).toBe(false);
    expect(circuit.complement().size).toBe(graph.edges.length - 4);
    expect(circuit.overlap(circuit.without(["m1->logits"]))).toBe(0.75);
    expect(
      Circuit.full(graph)
        .withoutNodes(["m0"])
        .edges.some((e) => e.from === "m0" || e.to === "m0"),
    ).toBe(false);
    expect(() => circuit.has("m1->logit")).toThrow(/E_NAME.*m1->logits/);
    expect(() => circuit.withoutNodes(["a0.h7"])).toThrow(/E_NAME/);
    expect(() => new Circuit(graph, [1, 0])).toThrow(/E_SHAPE/);
    expect(() => circuit.overlap(Circuit.full(graphOf({ attnOnly: true })))).toThrow(/E_SHAPE/);
  });

  it("of nodes has all edges between them", () => {
    const circuit = Circuit.fromNodes(graphOf(), ["a0.h1", "m1"]);
    expect(ids(circuit)).toEqual([
      ...["input->a0.h1<q>", "input->a0.h1<k>", "input->a0.h1<v>", "input->m1", "a0.h1->m1", "input->logits", "a0.h1->logits", "m1->logits"],
    ]);
  });

  it("keeps a shared key input as long as one of its heads is kept", () => {
    const graph = graphOf({ nKeyValueHeads: 2 });
    expect(Circuit.fromNodes(graph, ["a0.h3"]).has("input->a0.kv1<k>")).toBe(true);
    expect(Circuit.full(graph).withoutNodes(["a0.h2"]).has("input->a0.kv1<k>")).toBe(true);
    expect(Circuit.full(graph).withoutNodes(["a0.h2", "a0.h3"]).has("input->a0.kv1<k>")).toBe(false);
    expect(Circuit.fromEdges(graph, ["input->a0.kv1<k>"]).nodes.map((n) => n.id)).toEqual(["input", "a0.h2", "a0.h3"]);
  });

  it("drops dead ends", () => {
    const circuit = Circuit.fromEdges(graphOf(), [...PATH, "input->a1.h0<v>", "m0->m1", "a0.h3->m0"]);
    expect(ids(circuit.pruned()).sort()).toEqual([...PATH].sort());
  });

  it("goes to JSON and back", () => {
    const graph = graphOf({ nKeyValueHeads: 2, parallelAttnMlp: true });
    const scores = Float32Array.from(graph.edges, (_, i) => (i % 3 === 0 ? Number.NaN : i / 7));
    const circuit = new Circuit(
      graph,
      graph.edges.map((_, i) => i % 2),
      scores,
    );
    const back = Circuit.fromJSON(JSON.stringify(circuit));
    expect(back.edges).toEqual(circuit.edges);
    expect(back.graph.edges).toEqual(graph.edges);
    expect(JSON.stringify(back)).toBe(JSON.stringify(circuit));
  });

  it("refuses what is no circuit", () => {
    const good = Circuit.fromEdges(graphOf(), PATH).toJSON();
    for (const wrong of [
      "{",
      "null",
      "[]",
      '{"format":"x"}',
      JSON.stringify({ ...good, version: 2 }),
      JSON.stringify({ ...good, edges: [["m1->logits"]] }),
    ])
      expect(() => Circuit.fromJSON(wrong)).toThrow(/E_FORMAT/);
    for (const change of [{ nHeads: 1e9 }, { nLayers: 0 }, { nKeyValueHeads: 3 }, { attnOnly: 1 }])
      expect(() => Circuit.fromJSON(JSON.stringify({ ...good, graph: { ...good.graph, ...change } }))).toThrow(/E_FORMAT/);
    expect(() => Circuit.fromJSON(JSON.stringify({ ...good, edges: [["m1->logit", null]] }))).toThrow(/E_NAME.*m1->logits/);
    expect(() => Circuit.fromJSON(JSON.stringify({ ...good, edges: [["__proto__", 1]] }))).toThrow(/E_NAME/);
  });

  it("draws each pair of nodes once", () => {
    const graph = graphOf();
    const circuit = topEdges(scored(graph, { "input->a0.h1<q>": 1, "input->a0.h1<k>": 2, "a0.h1->m0": -4, "m0->logits": 5 }), 4);
    const chart = circuit.chart();
    if (chart.kind !== "graph") throw new Error("no graph");
    expect(chart.edges).toEqual([
      { from: "input", to: "a0.h1", score: 3, label: "q k" },
      { from: "a0.h1", to: "m0", score: -4 },
      { from: "m0", to: "logits", score: 5 },
    ]);
    expect(chart.nodes.map((n) => [n.id, n.label, n.layer, n.score])).toEqual([
      ["input", "input", 0, 3],
      ["a0.h1", "L0H1", 1, -4],
      ["m0", "0_mlp_out", 2, 5],
      ["logits", "logits", 5, undefined],
    ]);
  });
});

describe("choosing edges", () => {
  const strong = { "m1->logits": 1, "a1.h2->m1": -2, "a0.h1->a1.h2<q>": 3, "input->a0.h1<v>": 4, "a0.h0->m0": 9, "input->a0.h0<q>": -8 };

  it("takes the largest", () => {
    const graph = graphOf();
    expect(ids(topEdges(scored(graph, strong), 3, { prune: false })).sort()).toEqual(["a0.h0->m0", "input->a0.h0<q>", "input->a0.h1<v>"].sort());
    expect(topEdges(scored(graph, strong), 3).size).toBe(0);
    expect(ids(topEdges(scored(graph, strong), 6)).sort()).toEqual([...PATH].sort());
    expect(topEdges(scored(graph, strong), 4, { prune: false, absolute: false }).has("input->a0.h0<q>")).toBe(false);
  });

  it("or the largest that lead to the logits", () => {
    expect(ids(greedyEdges(scored(graphOf(), strong), 4)).sort()).toEqual([...PATH].sort());
    const graph = graphOf();
    expect(greedyEdges(scored(graph, strong), graph.edges.length).size).toBe(graph.edges.length);
  });

  it("or those between the best nodes", () => {
    const scores = new Map([
      ["a0.h0", 0.1],
      ["a0.h1", -5],
      ["m1", 2],
      ["input", 99],
    ]);
    expect(topNodes(graphOf(), scores, 2).nodes.map((n) => n.id)).toEqual(["input", "a0.h1", "m1", "logits"]);
  });

  it("says what is wrong", () => {
    const graph = graphOf();
    expect(() => topEdges(scored(graph, strong), -1)).toThrow(/E_RANGE/);
    expect(() => greedyEdges(scored(graph, strong), graph.edges.length + 1)).toThrow(/E_RANGE/);
    expect(() => topEdges({ ...scored(graph, strong), graph: graphOf({ attnOnly: true }) }, 1)).toThrow(/E_SHAPE/);
    // Edges that nobody measured are not taken, even when there is room.
    expect(greedyEdges(scored(graph, { ...strong, "a0.h0->logits": Number.NaN }), graph.edges.length).size).toBe(graph.edges.length - 1);
    expect(() => topNodes(graph, new Map([["a9.h9", 1]]), 1)).toThrow(/E_NAME/);
  });
});

describe("the viewer's JSON", () => {
  const circuit = topEdges(scored(graphOf(), { "input->a0.h1<q>": 1, "input->a0.h1<k>": 2, "a0.h1->m0": -4, "m0->logits": 5 }), 4);

  it("has circuit-tracer's fields and types", () => {
    const logits = Tensor.from(Float32Array.of(0, 0, 0, 0, 0, 0, 2, 0, 0, 0), [1, 2, 5], ["batch", "pos", "class"]);
    const graph: ViewerGraph = JSON.parse(JSON.stringify(circuit.toViewer({ tokens: [3, 1], text: (t) => `<${t}>`, slug: "s", scan: "m", logits })));
    expect(graph.metadata).toEqual({
      ...{ slug: "s", scan: "m", transcoder_list: [], prompt_tokens: ["<3>", "<1>"], prompt: "<3><1>", node_threshold: null, schema_version: 1 },
    });
    expect(graph.qParams).toEqual({ pinnedIds: [], supernodes: [], linkType: "both", clickedId: "", sg_pos: "" });
    const types = { node_id: "string", feature: "number", layer: "string", ctx_idx: "number", feature_type: "string", token_prob: "number" };
    const more = { is_target_logit: "boolean", run_idx: "number", reverse_ctx_idx: "number", jsNodeId: "string", clerp: "string" };
    for (const node of graph.nodes)
      for (const [key, type] of Object.entries({ ...types, ...more })) expect(typeof node[key as keyof typeof node], key).toBe(type);
    expect(graph.nodes.map((n) => n.node_id)).toEqual(["E_0_1", "0_1_1", "0_4_1", "3_1_1"]);
    expect(graph.nodes.map((n) => n.feature)).toEqual([0, 2, 14, 1]);
    // The viewer takes the probability out of this text, and fails without one.
    expect(graph.nodes.at(-1)?.clerp).toBe(`Output "<1>" (p=${(Math.exp(2) / (Math.exp(2) + 4)).toFixed(3)})`);
    expect(graph.links).toEqual([
      { source: "E_0_1", target: "0_1_1", weight: 3 },
      { source: "0_1_1", target: "0_4_1", weight: -4 },
      { source: "0_4_1", target: "3_1_1", weight: 5 },
    ]);
  });

  it("has an output without logits, and shows one prompt only", () => {
    expect(circuit.toViewer({ tokens: [3, 1] }).nodes.at(-1)?.clerp).toBe('Output "logits" (p=1.000)');
    expect(() => circuit.toViewer({ tokens: [[1], [2]] })).toThrow(/E_SHAPE/);
  });
});
