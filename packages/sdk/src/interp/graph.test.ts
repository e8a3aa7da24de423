import { transformerConfig } from "tritlens";
import { describe, expect, it } from "vitest";
import { ModelGraph } from "./graph.ts";

const sizes = { nLayers: 2, dModel: 8, dHead: 2, nHeads: 4, dMlp: 8, nCtx: 4, dVocab: 5 };
const graphOf = (options: object) => new ModelGraph(transformerConfig({ ...sizes, ...options }));

describe("ModelGraph", () => {
  it("has EAP-IG's 32491 edges for GPT-2 small", () => {
    const graph = graphOf({ nLayers: 12, dModel: 768, nHeads: 12, dHead: 64, dMlp: 3072 });
    expect(graph.edges.length).toBe(32491);
    expect(graph.senders.length).toBe(157);
    expect(graph.receivers.length).toBe(445);
  });
  it("names edges and finds them again", () => {
    const graph = graphOf({});
    for (const [i, { id, sender, receiver }] of graph.edges.entries()) {
      expect(graph.edgeIndex(id)).toBe(i);
      expect(graph.edgeAt(sender, receiver)).toBe(i);
    }
    expect(graph.edge("a0.h3->m0").id).toBe("a0.h3->m0");
    expect(graph.node("logits").layer).toBe(2);
    expect(graph.edgeAt(graph.senderIndex("m0"), graph.receiverIndex("m0"))).toBeUndefined();
    expect(() => graph.edge("a0.h3->m9")).toThrow(/E_NAME.*a0\.h3->m/);
    expect(() => graph.node("a0.h9")).toThrow(/E_NAME/);
  });
  it("lets parallel MLPs read earlier blocks only, and attention-only models have none", () => {
    const parallel = graphOf({ parallelAttnMlp: true });
    expect(parallel.edgeAt(parallel.senderIndex("a0.h0"), parallel.receiverIndex("m0"))).toBeUndefined();
    expect(graphOf({ attnOnly: true }).nodes.map((n) => n.id)).toEqual([
      ...["input", "a0.h0", "a0.h1", "a0.h2", "a0.h3", "a1.h0", "a1.h1", "a1.h2", "a1.h3", "logits"],
    ]);
  });
  it("has one receiver for the heads that share keys and values", () => {
    const graph = graphOf({ nKeyValueHeads: 2 });
    const k = graph.receivers[graph.receiverIndex("a1.kv1<k>")];
    expect(k?.nodes).toEqual(["a1.h2", "a1.h3"]);
    expect(graph.receivers.filter((r) => r.kind === "q").length).toBe(8);
  });
});
