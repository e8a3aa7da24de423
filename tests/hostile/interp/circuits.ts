/** Circuits, files of circuits and lenses, and analyses of weights. */
import type { Model, Tensor } from "tritlens";
import * as t from "tritlens/interp";
import { NO_INDEX } from "./arguments.ts";
import { type Attack, row } from "./attack.ts";
import { CLEAN, METRIC, ramp } from "./inputs.ts";

const each = (want: string, id: string, call: (n: number) => unknown, list = NO_INDEX): Attack[] =>
  list.map((n) => row(want, `${id} ${n}`, () => call(n)));
const bad = (x: unknown): never => x as never;
const counts = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY];

/** Edges and nodes by name, searches, and JSON. */
export function circuitAttacks(model: Model, other: Model): Attack[] {
  const full = t.Circuit.full(model);
  const scored = new t.EdgeScores(full.graph, new Float32Array(full.mask.length).fill(1), { method: "m", metric: "m" });
  const json = JSON.parse(JSON.stringify(full));
  const file = (change: object) => t.Circuit.fromJSON(bad({ ...json, ...change }));
  const shape = (change: object) => file({ graph: { ...json.graph, ...change }, edges: [] });
  return [
    row("E_NAME", "fromEdges: an edge", () => t.Circuit.fromEdges(model, ["a0.h0->a1.h9<q>"])),
    row("E_NAME", "fromNodes: a node", () => t.Circuit.fromNodes(model, ["a9.h0"])),
    row("E_NAME", "has: a prototype key", () => full.has("__proto__")),
    row("E_NAME", "without: constructor", () => full.without(["constructor"])),
    row("E_NAME", "withoutNodes: a node", () => full.withoutNodes(["m7"])),
    row("E_SHAPE", "new Circuit: a mask", () => new t.Circuit(full.graph, [1])),
    row("E_SHAPE", "run: another model", () => full.run(other, CLEAN)),
    row("E_SHAPE", "overlap: another model", () => full.overlap(t.Circuit.full(other))),
    row("E_NAME E_MODE", "run: ablation", () => full.run(model, CLEAN, bad({ ablation: "noise" }))),
    row("E_MODE E_SHAPE", "run: resample without a prompt", () => full.run(model, CLEAN, { ablation: "resample" })),
    row("E_MEMORY", "run: a budget of 10", () => full.run(model, CLEAN, { budgetBytes: 10 })),
    ...each("E_RANGE", "topEdges: count", (n) => t.topEdges(scored, n), [10 ** 9, ...counts]),
    ...each("E_RANGE", "greedyEdges: count", (n) => t.greedyEdges(scored, n), [10 ** 9, ...counts]),
    ...each("E_RANGE", "topNodes: count", (n) => t.topNodes(model, new Map(), n), [10 ** 9, ...counts]),
    ...each("E_RANGE", "acdc: threshold", (threshold) => t.acdc(model, CLEAN, { threshold }), [Number.NaN]),
    ...each("E_RANGE", "curve: proportion", (n) => t.faithfulnessCurve(model, CLEAN, scored, METRIC, { proportions: [n] }), [-1, 2, Number.NaN]),
    row("E_RANGE E_SHAPE", "curve: no proportions", () => t.faithfulnessCurve(model, CLEAN, scored, METRIC, { proportions: [] })),
    ...each("E_RANGE", "completeness: samples", (samples) => t.completeness(model, full, CLEAN, METRIC, { samples }), [0, ...counts]),
    row("E_NAME", "minimality: parts", () => t.minimality(model, full, CLEAN, METRIC, bad({ parts: "heads" }))),
    row("E_SHAPE", "viewer: two prompts", () => full.toViewer({ tokens: CLEAN })),
    row("E_NAME", "scores: an edge", () => scored.get("a0.h0->nowhere")),
    ...["", "{", "null", "[]", '"x"', "[".repeat(100_000), '{"__proto__":{"format":"tritlens-circuit"}}', JSON.stringify(full).slice(0, -9)].map(
      (text) => row("E_FORMAT", `fromJSON: ${text.slice(0, 20)}`, () => t.Circuit.fromJSON(text)),
    ),
    ...[undefined, null, 3, Symbol("x")].map((x) => row("E_FORMAT", `fromJSON: ${String(x)}`, () => t.Circuit.fromJSON(bad(x)))),
    row("E_FORMAT", "fromJSON: version", () => file({ version: 2 })),
    row("E_FORMAT", "fromJSON: graph", () => file({ graph: null })),
    ...[0, -1, 0.5, "2", 1e9, Number.NaN, null].map((n) => row("E_FORMAT", `fromJSON: layers ${n}`, () => shape({ nLayers: n }))),
    ...[0, -1, 1e9, "2"].map((n) => row("E_FORMAT", `fromJSON: heads ${n}`, () => shape({ nHeads: n, nKeyValueHeads: n }))),
    row("E_FORMAT", "fromJSON: edges", () => file({ edges: {} })),
    row("E_FORMAT", "fromJSON: an edge that is none", () => file({ edges: [[1, 2]] })),
    row("E_FORMAT", "fromJSON: a sparse list", () => file({ edges: new Array(3) })),
    row("E_NAME", "fromJSON: an unknown edge", () => file({ edges: [["input->lgits", 1]] })),
    ...[0, 7, 50, 200].map((n) => row("E_FORMAT", `TunedLens.load: ${n} bytes`, () => t.TunedLens.load(new Uint8Array(n)))),
    row("E_FORMAT E_SHAPE", "TunedLens.load: nothing", () => t.TunedLens.load(bad(undefined))),
  ];
}

/** Weights. */
export function weightAttacks(model: Model): Attack[] {
  const qk = t.qkCircuit(model);
  const sets: [string, (n: number) => unknown][] = [
    ["ovCircuit: layer", (n) => t.ovCircuit(model, { layers: [n] })],
    ["qkCircuit: layer", (n) => t.qkCircuit(model, { layers: [n] })],
    ["FactoredMatrix.index", (n) => qk.index(n)],
    ["svd: layer", (layer) => new t.SVDInterpreter(model).getSingularVectors("OV", { layer, head: 0 })],
    ["svd: head", (head) => new t.SVDInterpreter(model).getSingularVectors("OV", { layer: 0, head })],
    ["svd: vectors", (numVectors) => new t.SVDInterpreter(model).getSingularVectors("OV", { layer: 0, head: 0, numVectors })],
    ["neuronLogits: layer", (n) => t.neuronLogits(model, n)],
    ["neuronLogits: neuron", (n) => t.neuronLogits(model, 0, { neurons: [n] })],
    ["neuronsForToken: token", (n) => t.neuronsForToken(model, n)],
    ["Readout.direction", (n) => new t.Readout(model).direction(n)],
  ];
  return [
    ...sets.flatMap(([id, call]) =>
      each("E_RANGE", id, call, id.includes("vectors") ? [0, ...counts] : id.includes("index") ? [99, 0.5, Number.NaN] : NO_INDEX),
    ),
    row("E_NAME", "ovCircuit: norms", () => t.ovCircuit(model, bad({ norms: "x" }))),
    row("E_NAME", "compositions: kind", () => t.allCompositionScores(model, bad("Z"))),
    row("E_NAME", "svd: kind", () => new t.SVDInterpreter(model).getSingularVectors(bad("xx"), { layer: 0, head: 0 })),
    row("E_SHAPE", "FactoredMatrix: sizes", () => new t.FactoredMatrix(ramp(2, 3), ramp(4, 2))),
    row("E_SHAPE", "FactoredMatrix: one axis", () => new t.FactoredMatrix(ramp(2), ramp(2))),
    row("E_SHAPE", "FactoredMatrix.multiply", () => qk.multiply(ramp(3, 3))),
    row("E_NAME", "detectHead: a name", () => t.detectHead(model, CLEAN[0] ?? [], bad("previous_tokn_head"))),
    row("E_SHAPE", "detectHead: a pattern", () => t.detectHead(model, CLEAN[0] ?? [], ramp(2, 3))),
    row("E_SHAPE E_RANGE", "directionTokens: width", () => t.directionTokens(model, ramp(2, 3))),
    row("E_SHAPE", "thinSvd", () => t.thinSvd([1, 2, 3], 2, 2)),
    row("E_NONFINITE", "thinSvd: NaN", () => t.thinSvd([1, 2, 3, Number.NaN], 2, 2)),
    row("E_NONFINITE", "realEigenvalues: NaN", () => t.realEigenvalues([1, 2, 3, Number.NaN], 2)),
    row("E_NONFINITE", "symmetricEigenvalues: infinite", () => t.symmetricEigenvalues([1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1], 2)),
    row("E_SHAPE", "leadingSvd", () => t.leadingSvd([1, 2, 3], 2, 2, 1)),
    row("E_SHAPE", "linearCka: rows", () => t.linearCka(ramp(3, 2), ramp(4, 2))),
    row("E_SHAPE", "procrustes: rows", () => t.procrustes(ramp(3, 2), ramp(4, 2))),
    row("E_SHAPE", "unitCorrelations: rows", () => t.unitCorrelations(ramp(3, 2), ramp(4, 2))),
    row("E_MODE", "sparsityMap of a dense model", () => t.sparsityMap(model)),
    row("E_MODE E_NAME", "matrixSparsity of a dense model", () => t.matrixSparsity(model, "embed.W_E")),
    row("E_MODE", "tritOverlap of a dense model", () => t.tritOverlap(model, { weight: "W_Q", unit: "head" } as never)),
    row("E_MODE E_NAME", "integerCircuit of a dense model", () => t.integerCircuit(model, "QK", { layer: 0, head: 0 })),
    row("E_SHAPE", "TritPlanes", () => new t.TritPlanes(new Int8Array(3), 2, 2, model)),
    row("E_NONFINITE E_RANGE", "matchUnits: NaN", () => t.matchUnits(nanSquare())),
  ];
}

function nanSquare(): Tensor {
  const x = ramp(2, 2);
  x.data.fill(Number.NaN);
  return x;
}
