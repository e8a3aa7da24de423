/** Arguments that no analysis may take: places that do not exist, numbers that are none, parts that do not fit each other. */
import { ActivationCache, type Model, Tensor } from "tritlens";
import * as t from "tritlens/interp";
import { type Attack, detached, row } from "./attack.ts";
import { CLEAN, CORRUPT, METRIC, ramp } from "./inputs.ts";

/** No index of anything here. */
export const NO_INDEX: readonly number[] = [99, -99, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40];
const each = (want: string, id: string, call: (n: number) => unknown, list = NO_INDEX): Attack[] =>
  list.map((n) => row(want, `${id} ${n}`, () => call(n)));
const bad = (x: unknown): never => x as never;
const counts = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY];

/** Sweeps, hooks and caches. */
export function cacheAttacks(model: Model): Attack[] {
  const { cache } = model.runWithCache(CLEAN);
  const sweep = (edits: unknown, options = {}) => model.sweep(CLEAN, bad([{ edits }]), options);
  const at = (place: unknown) => sweep([["blocks.0.attn.hook_z", { kind: "zero", at: place }]]);
  const empty = new ActivationCache(new Map());
  const z = "blocks.0.attn.hook_z";
  return [
    row("E_NAME", "sweep: an unknown site", () => sweep([["blocks.0.attn.hook_zz", { kind: "zero" }]])),
    row("E_NAME", "sweep: a block that is not there", () => sweep([["blocks.7.attn.hook_z", { kind: "zero" }]])),
    row("E_NAME", "sweep: an unknown kind", () => sweep([[z, { kind: "nil" }]])),
    row("E_NAME", "sweep: an unknown axis", () => at({ heads: 0 })),
    row("E_NAME", "sweep: a prototype key", () => sweep([["__proto__", { kind: "zero" }]])),
    ...each("E_RANGE", "sweep: head", (head) => at({ head })),
    ...each("E_RANGE", "sweep: pos", (pos) => at({ pos: [0, pos] })),
    row("E_SHAPE", "sweep: a patch of another shape", () => sweep([[z, { kind: "patch", value: ramp(3) }]])),
    row("E_SHAPE", "sweep: a patch that is no tensor", () => sweep([[z, { kind: "patch", value: 3 }]])),
    row("E_SHAPE", "sweep: a patch with nothing", () => sweep([[z, { kind: "patch" }]])),
    row("E_SHAPE", "sweep: a value that is nothing", () => sweep([[z, { kind: "set" }]])),
    row("E_DETACHED E_SHAPE", "sweep: a detached value", () => sweep([[z, { kind: "set", value: detached(new Float32Array(64)) }]])),
    row("E_SHAPE", "sweep: no edit", () => sweep([[z]])),
    row("E_SHAPE", "sweep: a function as an edit", () => sweep([[z, () => 0]])),
    row("E_SHAPE", "sweep: no edits", () => sweep(undefined)),
    row("E_SHAPE", "sweep: no variants", () => model.sweep(CLEAN, bad(undefined))),
    row("E_SHAPE", "sweep: a variant that is nothing", () => model.sweep(CLEAN, bad([undefined]))),
    row("ok", "sweep: an empty list", () => model.sweep(CLEAN, [])),
    ...each("E_RANGE", "sweep: class", (c) => sweep([[z, { kind: "zero" }]], { classes: [c] })),
    ...each("E_RANGE", "sweep of a virtual site: class", (c) => sweep([["blocks.0.hook_q_input", { kind: "zero" }]], { classes: [c] })),
    row("E_NAME", "sweep: unknown positions", () => sweep([[z, { kind: "zero" }]], { positions: "first" })),
    ...[0, 1, -1, Number.NaN].map((budgetBytes) =>
      row("E_MEMORY", `sweep: a budget of ${budgetBytes}`, () => sweep([[z, { kind: "zero" }]], { budgetBytes })),
    ),
    row("E_MEMORY", "runWithCache: a budget of 10", () => model.runWithCache(CLEAN, { budgetBytes: 10 })),
    row("E_NAME", "cache: an unknown name", () => cache.get("blocks.0.hook_residpre")),
    row("E_NAME", "cache: nothing in it", () => empty.get("hook_embed")),
    row("E_MODE", "cache: without a model", () => empty.accumulatedResid()),
    row("E_NAME", "cache: names missing", () => cache.slice({ names: "hook_embed" }).decomposeResid()),
    ...each("E_RANGE", "cache.slice: pos", (pos) => cache.slice({ pos })),
    ...each("E_RANGE", "cache.slice: batch", (batch) => cache.slice({ batch })),
    ...each("E_RANGE E_NAME", "cache.slice: layer", (layer) => cache.slice({ layer })),
    row("E_SHAPE", "cache.removeBatchDim: two examples", () => cache.removeBatchDim()),
    ...(["accumulatedResid", "decomposeResid", "getFullResidDecomposition", "stackHeadResults", "stackNeuronResults"] as const).flatMap((verb) => [
      ...each("E_RANGE", `cache.${verb}: layer`, (layer) => cache[verb](layer)),
      ...each("E_RANGE", `cache.${verb}: pos`, (posSlice) => cache[verb](-1, { posSlice })),
    ]),
    ...each("E_RANGE", "cache.getNeuronResults: layer", (layer) => cache.getNeuronResults(layer)),
    ...each("E_RANGE", "cache.getNeuronResults: neuron", (neuronSlice) => cache.getNeuronResults(0, { neuronSlice })),
    row("E_MEMORY", "cache.getNeuronResults: a budget of 10", () => cache.getNeuronResults(0, { budgetBytes: 10 })),
    row("E_NAME", "cache.decomposeResid: a mode", () => cache.decomposeResid(-1, bad({ mode: "neurons" }))),
    ...each("E_RANGE", "cache.stackActivation: layer", (layer) => cache.stackActivation("z", layer)),
    row("E_NAME", "cache.stackActivation: a name", () => cache.stackActivation("zz")),
    row("E_SHAPE", "cache.applyLnToStack: another width", () => cache.applyLnToStack(ramp(2, 2, 4, 3))),
    row("E_SHAPE", "cache.applyLnToStack: a number", () => cache.applyLnToStack(ramp())),
    ...each("E_RANGE", "cache.logitAttrs: token", (tokens) => cache.logitAttrs(cache.decomposeResid(), { tokens })),
    row("E_SHAPE", "cache.logitAttrs: tokens for another batch", () => cache.logitAttrs(cache.decomposeResid(), { tokens: [1, 2, 3] })),
    row("E_SHAPE", "cache.logitAttrs: another width", () => cache.logitAttrs(ramp(2, 2, 4, 3), { tokens: 1 })),
    ...each("E_RANGE", "cache.logitLens: class", (c) => cache.logitLens({ classes: [c] })),
    row("E_NAME", "cache.decomposeResid().at", () => cache.decomposeResid().at("1_atn_out")),
    row("E_NAME", "cache.save: a format", () => cache.save("/dev/null/x", bad({ format: "npz" }))),
    row("E_IO", "cache.save: no such folder", () => cache.save("/dev/null/x")),
    ...[new Uint8Array(0), new Uint8Array(7), new Uint8Array(100).fill(255), new TextEncoder().encode("[".repeat(5000))].map((bytes, i) =>
      row("E_FORMAT", `ActivationCache.load: bytes ${i}`, () => ActivationCache.load(bytes)),
    ),
  ];
}

/** Patching, lenses, probes, edges. */
export function analysisAttacks(model: Model): Attack[] {
  const { cache } = model.runWithCache(CLEAN);
  const some = cache.slice({ names: "hook_embed" });
  const site = "blocks.0.hook_resid_post";
  const generic = (options: unknown) => t.genericActivationPatch(model, CORRUPT, cache, METRIC, bad(options));
  const trace = (options: unknown) => t.causalTrace(model, CLEAN, METRIC, bad(options));
  const das = (options: object) =>
    t.fitDas(model, { base: CLEAN, source: CORRUPT, targets: [1, 2] }, { site, steps: 1, holdout: 0.5, controls: 0, ...options });
  const labels = Array.from({ length: 12 }, (_, i) => i % 2);
  const x = ramp(12, 4);
  const dla = (options: object) => t.directLogitAttribution(model, CLEAN, { answers: 1, ...options });
  return [
    row("E_NAME", "patching: a cache with names missing", () => t.getActPatchResidPre(model, CORRUPT, some, METRIC)),
    row("E_NAME E_SHAPE E_MODE", "patching: no cache", () => t.getActPatchResidPre(model, CORRUPT, bad(undefined), METRIC)),
    row("E_NAME", "patching: an unknown activation", () => generic({ activation: "resid_prre", axes: ["layer", "pos"] })),
    row("E_NAME", "patching: an unknown axis", () => generic({ activation: "resid_pre", axes: ["layer", "position"] })),
    row("E_NAME E_SHAPE", "patching: no axes", () => generic({ activation: "resid_pre" })),
    ...each("E_RANGE", "patching: index", (n) => generic({ activation: "resid_pre", axes: ["layer", "pos"], indices: [[0, n]] })),
    ...each("E_RANGE", "direct path: layer", (srcLayer) => t.getActPatchDirectPath(model, CORRUPT, cache, METRIC, { srcLayer, srcHead: 0 })),
    ...each("E_RANGE", "direct path: head", (srcHead) => t.getActPatchDirectPath(model, CORRUPT, cache, METRIC, { srcLayer: 0, srcHead })),
    row("E_NAME", "direct path: component", () => t.getActPatchDirectPathAllSources(model, CORRUPT, cache, METRIC, bad({ component: "w" }))),
    row("E_NAME", "path patching: a receiver", () => t.pathPatch(model, CORRUPT, cache, METRIC, { receivers: [{ name: "blocks.9.hook_z" }] })),
    row("E_SHAPE E_RANGE E_MODE", "path patching: no receivers", () => t.pathPatch(model, CORRUPT, cache, METRIC, { receivers: [] })),
    row("E_NAME", "path patching: freeze", () =>
      t.pathPatch(model, CORRUPT, cache, METRIC, bad({ receivers: [{ name: "blocks.1.hook_resid_post" }], freeze: "none!" })),
    ),
    row("E_SHAPE", "interchange: no places", () => t.interchange(model, CLEAN, [{ places: [] }], METRIC)),
    ...each("E_RANGE", "causal trace: subject", (n) => trace({ subject: [0, n] })),
    ...each("E_RANGE", "causal trace: samples", (samples) => trace({ subject: [0, 1], samples }), [0, ...counts]),
    ...each("E_RANGE", "causal trace: noise", (noise) => trace({ subject: [0, 1], samples: 1, noise }), [Number.NaN, -1, Number.POSITIVE_INFINITY]),
    ...each("E_RANGE", "causal trace: window", (window) => trace({ subject: [0, 1], samples: 1, window }), [0, ...counts]),
    row("E_NAME", "causal trace: kinds", () => trace({ subject: [0, 1], kinds: ["stat"] })),
    ...each("E_RANGE", "logitLens: topK", (topK) => t.logitLens(model, CLEAN, { topK }), [0, -99, 0.5, Number.NaN]),
    ...each("E_RANGE", "logitLens: track", (track) => t.logitLens(model, CLEAN, { track })),
    ...each("E_RANGE E_MEMORY", "logitLens: chunkBytes", (chunkBytes) => t.logitLens(model, CLEAN, { chunkBytes }), [0, -1, Number.NaN]),
    ...each("E_RANGE", "trainTunedLens: steps", (steps) => t.trainTunedLens(model, Array(8).fill(CLEAN[0]), { steps }), counts),
    ...each("E_RANGE", "trainTunedLens: batchSize", (batchSize) => t.trainTunedLens(model, Array(8).fill(CLEAN[0]), { steps: 1, batchSize }), [
      0,
      ...counts,
    ]),
    ...each("E_RANGE E_NONFINITE", "trainTunedLens: lr", (lr) => t.trainTunedLens(model, Array(8).fill(CLEAN[0]), { steps: 1, lr }), [
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]),
    ...each("E_RANGE", "trainTunedLens: holdout", (holdout) => t.trainTunedLens(model, Array(8).fill(CLEAN[0]), { holdout }), [-1, 0, 1, Number.NaN]),
    row("E_RANGE", "trainTunedLens: too few examples", () => t.trainTunedLens(model, CLEAN)),
    ...each("E_RANGE", "directLogitAttribution: answer", (answers) => dla({ answers })),
    ...each("E_RANGE", "directLogitAttribution: pos", (pos) => dla({ pos })),
    row("E_NAME", "directLogitAttribution: by", () => dla({ by: "heads" })),
    row("E_SHAPE", "directLogitAttribution: three answers", () => dla({ answers: [1, 2, 3] })),
    row("E_NAME", "siteActivations: a site", () => t.siteActivations(model, CLEAN, "blocks.0.hook_resid_pots")),
    ...each("E_RANGE", "siteActivations: pos", (pos) => t.siteActivations(model, CLEAN, site, { pos })),
    ...each("E_RANGE", "siteActivations: head", (head) => t.siteActivations(model, CLEAN, "blocks.0.attn.hook_z", { head })),
    row("E_NAME E_MODE", "steeringVector: method", () => t.steeringVector(model, CLEAN, CORRUPT, bad({ site, method: "median" }))),
    ...each("E_RANGE", "steeringVector: controls", (controls) => t.steeringVector(model, CLEAN, CORRUPT, { site, controls }), counts),
    ...each(
      "E_RANGE E_NONFINITE",
      "steer: coefficient",
      (coefficient) => t.steer(t.steeringVector(model, CLEAN, CORRUPT, { site }), { coefficient }),
      [Number.NaN],
    ),
    ...each("E_RANGE", "fitDas: dims", (dims) => das({ dims }), [0, 99, ...counts]),
    ...each("E_RANGE", "fitDas: pos", (pos) => das({ pos })),
    ...each("E_RANGE", "fitDas: batchSize", (batchSize) => das({ batchSize }), [0, ...counts]),
    ...each("E_RANGE", "fitDas: holdout", (holdout) => das({ holdout }), [-1, 1, 2, Number.NaN]),
    ...each("E_RANGE", "fitDas: target", (n) => t.fitDas(model, { base: CLEAN, source: CORRUPT, targets: [1, n] }, { site, steps: 1 })),
    row("E_SHAPE", "fitDas: targets", () => t.fitDas(model, { base: CLEAN, source: CORRUPT, targets: [1] }, { site, steps: 1 })),
    row("E_SHAPE", "fitRidgeProbe: another length", () => t.fitRidgeProbe(x, [1, 2, 3])),
    ...each("E_RANGE", "fitRidgeProbe: l2", (l2) => t.fitRidgeProbe(x, labels, bad({ l2 })), [-1, Number.NaN]),
    row("E_NONFINITE", "fitRidgeProbe: NaN", () => t.fitRidgeProbe(Tensor.from(new Float32Array(48).fill(Number.NaN), [12, 4]), labels)),
    row("E_SHAPE", "fitRidgeProbe: one axis", () => t.fitRidgeProbe(ramp(12), labels)),
    row("E_SHAPE", "fitLogisticProbe: another length", () => t.fitLogisticProbe(x, [0, 1])),
    ...each("E_RANGE", "fitLogisticProbe: label", (n) => t.fitLogisticProbe(x, labels.with(3, n)), [-1, 0.5, Number.NaN, 2 ** 40]),
    row("E_RANGE E_SHAPE", "fitLogisticProbe: one class", () =>
      t.fitLogisticProbe(
        x,
        labels.map(() => 0),
      ),
    ),
    ...each("E_RANGE", "fitSparseProbes: size", (n) => t.fitSparseProbes(x, labels, [n]), [0, 99, ...counts]),
    row("E_SHAPE E_RANGE", "fitSparseProbes: no sizes", () => t.fitSparseProbes(x, labels, [])),
    ...each("E_RANGE", "eapIg: steps", (steps) => t.eapIg(model, CLEAN, CORRUPT, METRIC, { steps }), [0, ...counts]),
    row("E_NAME", "eapIg: variant", () => t.eapIg(model, CLEAN, CORRUPT, METRIC, bad({ variant: "x" }))),
    row("E_NAME", "attributionPatch: granularity", () => t.attributionPatch(model, CLEAN, CORRUPT, METRIC, bad({ granularity: "edges" }))),
    row("E_NAME", "attributionPatch: names", () => t.attributionPatch(model, CLEAN, CORRUPT, METRIC, { names: "hook_embde" })),
    row("E_NAME E_RANGE", "attributionPatch: into", () => t.attributionPatch(model, CLEAN, CORRUPT, METRIC, bad({ into: "dirty" }))),
    row("E_SHAPE", "spearman: another length", () => t.spearman([1, 2, 3], [1, 2])),
    row("E_SHAPE", "projectionKernel: another width", () => t.projectionKernel(ramp(2, 3), ramp(2, 4))),
    row("E_SHAPE", "orthonormalBasis: one axis", () => t.orthonormalBasis(ramp(3))),
    row("E_RANGE", "normalized: equal values", () => t.normalized(METRIC, { clean: 1, corrupt: 1 })),
    row("E_SHAPE", "normalized: no metric", () => t.normalized(bad(undefined), { clean: 1, corrupt: 0 })),
    row("E_SHAPE", "logitDiff: no answers", () => t.logitDiff([], [1])),
    ...each("E_RANGE", "logitDiff: answer", (n) => t.logitDiff(n, 1), [-1, 0.5, Number.NaN]),
    ...each("E_RANGE", "logProb: answer", (n) => t.logProb(n), [-1, 0.5, Number.NaN]),
  ];
}
