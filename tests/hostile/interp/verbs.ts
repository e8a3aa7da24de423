/** Every analysis that runs a model on tokens, in one form. */
import type { Model, Tokens } from "tritlens";
import * as t from "tritlens/interp";

/** What is attacked in turn. */
export interface Inputs {
  readonly model: Model;
  readonly tokens: Tokens;
  /** Where there is another prompt. */
  readonly corrupt: Tokens;
  readonly metric: t.MetricLike;
  readonly options?: t.SweepRunOptions;
}

/** An analysis, and which of the inputs it takes. */
export interface Verb {
  readonly call: (inputs: Inputs) => unknown;
  readonly metric?: true;
  /** Needs a second prompt of the same shape. */
  readonly pair?: true;
  readonly long?: true;
  readonly partial?: true;
  /** What of the tables below it takes: each for a reason of its own. */
  readonly takes?: readonly string[];
}

type Patch = (m: Model, tokens: Tokens, cache: ReturnType<Model["runWithCache"]>["cache"], metric: t.MetricLike, o?: t.PatchOptions) => unknown;

const patches: readonly Patch[] = [
  ...[t.getActPatchResidPre, t.getActPatchResidMid, t.getActPatchAttnOut, t.getActPatchMlpOut, t.getActPatchBlockEvery],
  ...[t.getActPatchAttnHeadOutByPos, t.getActPatchAttnHeadQByPos, t.getActPatchAttnHeadKByPos, t.getActPatchAttnHeadVByPos],
  ...[t.getActPatchAttnHeadPatternByPos, t.getActPatchAttnHeadPatternDestSrcPos, t.getActPatchAttnHeadOutAllPos, t.getActPatchAttnHeadQAllPos],
  ...[t.getActPatchAttnHeadKAllPos, t.getActPatchAttnHeadVAllPos, t.getActPatchAttnHeadPatternAllPos],
  ...[t.getActPatchAttnHeadAllPosEvery, t.getActPatchAttnHeadByPosEvery],
  ...[t.getActPatchDirectPathAllSources],
];

const patching = (patch: Patch): Verb => ({
  call: ({ model, tokens, corrupt, metric, options }) => patch(model, corrupt, model.runWithCache(tokens).cache, metric, options),
  ...{ metric: true, pair: true, long: true, partial: true },
});

const all = { metric: true, pair: true, long: true } as const;
const twoSites = { names: "blocks.*.hook_resid_pre" };

export const VERBS: Readonly<Record<string, Verb>> = {
  ...Object.fromEntries(patches.map((patch) => [patch.name, patching(patch)])),
  genericActivationPatch: patching((m, x, c, metric, o) =>
    t.genericActivationPatch(m, x, c, metric, { ...o, activation: "resid_pre", axes: ["layer", "pos"] } as never),
  ),
  getActPatchDirectPath: patching((m, x, c, metric, o) => t.getActPatchDirectPath(m, x, c, metric, { ...o, srcLayer: 0, srcHead: 0 } as never)),
  pathPatch: patching((m, x, c, metric, o) =>
    t.pathPatch(m, x, c, metric, { ...o, receivers: [{ name: `blocks.${m.layers - 1}.hook_resid_post` }] } as never),
  ),
  interchange: patching((m, x, c, metric, o) => t.interchange(m, x, [{ places: [{ name: "blocks.0.hook_resid_post", from: c }] }], metric, o)),
  causalTrace: {
    call: ({ model, tokens, metric, options }) => t.causalTrace(model, tokens, metric, { subject: [0, 1], samples: 2, ...options }),
    ...{ metric: true, long: true, partial: true },
  },
  measureVariants: {
    call: ({ model, tokens, metric, options }) =>
      t.measureVariants(model, tokens, [{ edits: [["blocks.0.hook_resid_pre", { kind: "zero" }]] }], metric, options),
    ...{ metric: true, long: true, partial: true },
  },
  sweep: {
    call: ({ model, tokens, options }) => model.sweep(tokens, [{ edits: [["blocks.0.hook_resid_pre", { kind: "zero" }]] }], options),
    long: true,
  },
  attributionPatch: {
    call: ({ model, tokens, corrupt, metric }) => t.attributionPatch(model, tokens, corrupt, metric, twoSites),
    metric: true,
    pair: true,
  },
  "attributionPatch by edge": {
    call: ({ model, tokens, corrupt, metric }) => t.attributionPatch(model, tokens, corrupt, metric, { granularity: "edge" }),
    ...{ metric: true, pair: true },
  },
  eap: { call: ({ model, tokens, corrupt, metric }) => t.eap(model, tokens, corrupt, metric), metric: true, pair: true },
  eapIg: {
    call: ({ model, tokens, corrupt, metric, options }) => t.eapIg(model, tokens, corrupt, metric, { steps: 2, ...options } as never),
    ...all,
  },
  atpStar: { call: ({ model, tokens, corrupt, metric, options }) => t.atpStar(model, tokens, corrupt, metric, options as never), ...all },
  exactEdgeScores: {
    call: ({ model, tokens, corrupt, metric, options }) => t.exactEdgeScores(model, tokens, corrupt, metric, options as never),
    ...all,
  },
  "Circuit.run": { takes: ["nothing"], call: ({ model, tokens, corrupt }) => t.Circuit.empty(model).run(model, tokens, { corrupt }), pair: true },
  faithfulness: {
    takes: ["nothing"],
    call: ({ model, tokens, corrupt, metric, options }) => t.faithfulness(model, t.Circuit.empty(model), tokens, metric, { corrupt, ...options }),
    ...all,
  },
  completeness: {
    takes: ["nothing"],
    call: ({ model, tokens, corrupt, metric, options }) =>
      t.completeness(model, t.Circuit.full(model), tokens, metric, { corrupt, samples: 2, ...options }),
    ...all,
    partial: true,
  },
  minimality: {
    takes: ["nothing"],
    call: ({ model, tokens, corrupt, metric, options }) => t.minimality(model, t.Circuit.full(model), tokens, metric, { corrupt, ...options }),
    ...all,
    partial: true,
  },
  acdc: {
    takes: ["nothing", "that is nothing"],
    call: ({ model, tokens, corrupt, metric, options }) =>
      t.acdc(model, tokens, { corrupt, metric, threshold: 1, start: t.Circuit.fromNodes(model, []), ...options } as never),
    ...all,
    partial: true,
  },
  faithfulnessCurve: {
    takes: ["nothing"],
    call: ({ model, tokens, corrupt, metric, options }) => {
      const graph = t.modelGraph(model);
      const scored = new t.EdgeScores(graph, new Float32Array(graph.edges.length).fill(1), { method: "none", metric: "none" } as never);
      return t.faithfulnessCurve(model, tokens, scored, metric, { corrupt, proportions: [0.5, 1], ...options });
    },
    ...all,
    partial: true,
  },
  logitLens: { call: ({ model, tokens, options }) => t.logitLens(model, tokens, options), long: true },
  residualStream: { call: ({ model, tokens }) => t.residualStream(model, tokens) },
  directLogitAttribution: { call: ({ model, tokens }) => t.directLogitAttribution(model, tokens, { answers: 1 }) },
  siteActivations: { call: ({ model, tokens }) => t.siteActivations(model, tokens, "blocks.0.hook_resid_post") },
  steeringVector: { call: ({ model, tokens, corrupt }) => t.steeringVector(model, tokens, corrupt, { site: "blocks.0.hook_resid_post" }) },
  fitDas: {
    // Base and source may differ in length: each has a position of its own.
    takes: ["another length"],
    call: ({ model, tokens, corrupt, options }) =>
      t.fitDas(
        model,
        { base: tokens, source: corrupt, targets: [1, 2] },
        { site: "blocks.0.hook_resid_post", steps: 1, holdout: 0.5, controls: 1, ...options },
      ),
    ...{ pair: true, long: true },
  },
  detectHead: { call: ({ model, tokens }) => t.detectHead(model, tokens, "previous_token_head") },
  compareAlgorithms: { call: ({ model, tokens, options }) => t.compareAlgorithms(model, model, tokens, options as never), long: true },
  quantizationAttribution: {
    call: ({ model, tokens, metric, options }) => t.quantizationAttribution(model, model, tokens, metric, options),
    metric: true,
    long: true,
    partial: true,
  },
  matrixAttribution: {
    // Two dense models have nothing to exchange.
    takes: ["onProgress throws"],
    call: ({ model, tokens, metric, options }) => t.matrixAttribution(model, model, tokens, metric, options as never),
    metric: true,
    long: true,
  },
  "all cache verbs": {
    call: ({ model, tokens }) => {
      const { cache } = model.runWithCache(tokens);
      for (const verb of ["accumulatedResid", "decomposeResid", "getFullResidDecomposition", "stackHeadResults", "logitLens"] as const) cache[verb]();
      cache.logitAttrs(cache.decomposeResid(), { tokens: 1 });
      cache.computeHeadResults();
    },
  },
};
