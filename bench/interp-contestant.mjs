/**
 * Our side of bench/interp.mjs, in a process of its own: `node interp-contestant.mjs '{"backend":"native","threads":1,"size":{...},"batch":{...}}'`. Answers one request a
 * line, as contestant.mjs does. It also writes the weights that the other side loads.
 */
import { ActivationCache, loadCore, Model, writeSafetensors } from "tritlens";
import * as interp from "tritlens/interp";
import { answerLines } from "./answer.mjs";

const { backend, threads, size, clean, corrupt, answer, foil } = JSON.parse(process.argv[2]);
const core = await loadCore({ backend });
const inForce = core.setThreads(threads);
const model = Model.fromConfig({ ...size, actFn: "gelu_new" }, { core, seed: 3 });
const metric = interp.logitDiff(answer, foil);
const { cache } = model.runWithCache(clean);

/** Two functions a block, which look and change nothing. */
let calls = 0;
const hooks = Array.from({ length: size.nLayers }, (_, l) =>
  ["resid_post", "mlp_out"].map((name) => [`blocks.${l}.hook_${name}`, () => void calls++]),
).flat();

/** The scalar that a forward-backward pass takes the gradient of. */
const loss = (logits) => interp.metricGrad(metric, logits);

const RUNS = {
  "resid_pre by layer and position": async () => (await interp.getActPatchResidPre(model, corrupt, cache, metric)).values.data,
  "head outputs by layer and head": async () => (await interp.getActPatchAttnHeadOutAllPos(model, corrupt, cache, metric)).values.data,
  "runWithCache of everything": () => model.runWithCache(corrupt).cache,
  forward: () => model.runWithHooks(corrupt, {}).data,
  "24 hook functions": () => model.runWithHooks(corrupt, { hooks }).data,
  "forward and backward": () => [model.runWithCache(corrupt, { names: "hook_embed", inclGrad: true, loss }).cache.size],
  EAP: () => [interp.eap(model, clean, corrupt, metric).scores.size],
};

/** Numbers to compare: all of them, or a sum of squares for each activation of a cache. */
const valuesOf = (found) =>
  found instanceof ActivationCache ? Object.fromEntries(found.entries().map(([name, { data }]) => [name, size2(data)])) : [...found];

/** Sum of squares. */
const size2 = (data) => data.reduce((sum, x) => (Number.isFinite(x) ? sum + x * x : sum), 0);

/** The weights under TransformerLens's names and in its shapes. */
async function weights({ path }) {
  const tensors = [...model.stateDict()].map(([name, { shape, data }]) => ({
    ...{ name, dtype: "F32", shape },
    data: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
  return { bytes: await writeSafetensors(path, { tensors }) };
}

/** Seconds of one run. */
async function time({ what, count }) {
  const began = performance.now();
  for (let i = 0; i < count; i++) await RUNS[what]();
  return { seconds: (performance.now() - began) / 1000 / count };
}

await answerLines({
  weights,
  time,
  values: async ({ what }) => ({ values: valuesOf(await RUNS[what]()) }),
  info: () => ({ ...core.info(), threads: inForce }),
});
