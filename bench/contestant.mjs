/**
 * One side of the comparison, in a process of its own: `node contestant.mjs '{"backend":"native","threads":1,...}'`. Each line on stdin asks for
 * something, each line on stdout answers it, so that the parent can take turns between sides.
 */
import { loadCore, Model, modularAddition } from "tritlens";
import { liConfig } from "tritlens/models";

const { backend, threads, mode, p } = JSON.parse(process.argv[2]);
const core = await loadCore({ backend });
const inForce = core.setThreads(threads);
const config = liConfig({ p, mode });
const model = Model.fromConfig(config, { core, seed: 3 });

/** A trainer on the papers' split, as the SDK's `train` opens it. */
function openTrainer() {
  const { train } = modularAddition({ p });
  const config = {
    lr: 1e-3,
    beta1: 0.9,
    beta2: 0.98,
    eps: 1e-8,
    weightDecay: 1,
    warmupSteps: 0,
    schedule: "constant",
    totalSteps: 1_000_000,
    savings: true,
  };
  const trainer = core.openTrainer(model.program, JSON.stringify(config));
  core.setData(trainer, 0, train.tokens.data, train.targets);
  return { trainer, columns: core.describeTrainer(trainer).columns.length };
}

let opened;
/** Takes steps; answers with their time and the losses before each update. */
async function steps({ count }) {
  opened ??= openTrainer();
  const out = new Float64Array(count * opened.columns);
  const began = performance.now();
  await core.trainSteps(opened.trainer, count, out);
  const seconds = (performance.now() - began) / 1000;
  return { seconds, losses: Array.from({ length: count }, (_, i) => out[i * opened.columns]) };
}

/**
 * Microseconds a call of a hook function adds to a run over one row, and what a run costs when sites exist and nobody listens. The model is tiny, so
 * that the run itself does not hide what is measured.
 */
function hooks({ rounds }) {
  const tiny = liConfig({ p: 5, mode, dModel: 8, nHeads: 2, dHead: 4, dMlp: 8 });
  const model = Model.fromConfig(tiny, { core, seed: 3 });
  const tokens = [[3, 4, 5]];
  let calls = 0;
  const hooks = model.siteNames.map((name) => [name, () => void calls++]);
  const bare = Model.fromSpec({ ...model.spec, sites: [] }, { core, seed: 3 });
  const runs = {
    silent: () => model.runWithHooks(tokens, {}),
    hooked: () => model.runWithHooks(tokens, { hooks }),
    bare: () => bare.runWithHooks(tokens, {}),
  };
  const best = { silent: Number.POSITIVE_INFINITY, hooked: Number.POSITIVE_INFINITY, bare: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) for (const [name, run] of Object.entries(runs)) best[name] = Math.min(best[name], microseconds(run));
  const pause = rawPause(model, tokens);
  bare.dispose();
  if (calls === 0 || calls % model.siteNames.length !== 0) throw new Error(`hooks were called ${calls} times`);
  return {
    sites: model.siteNames.length,
    perHook: (best.hooked - best.silent) / model.siteNames.length,
    silent: best.silent,
    bare: best.bare,
    rawPause: pause,
  };
}

/** The core's own pause and resume, without the SDK around it. */
function rawPause(model, tokens) {
  const run = core.openRun(model.program, 1, 3, 0);
  const [none, all] = [new Uint8Array(model.siteNames.length), new Uint8Array(model.siteNames.length).fill(1)];
  const row = Int32Array.from(tokens[0]);
  const through = (mask) => () => {
    core.setPause(run, mask, none);
    core.setTokens(run, row);
    while (core.step(run) !== -1);
  };
  let [quiet, paused] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 20; round++) {
    quiet = Math.min(quiet, microseconds(through(none)));
    paused = Math.min(paused, microseconds(through(all)));
  }
  core.closeRun(run);
  return (paused - quiet) / model.siteNames.length;
}

function microseconds(body, times = 200) {
  const began = performance.now();
  for (let i = 0; i < times; i++) body();
  return ((performance.now() - began) * 1000) / times;
}

/** Initial weights in the order and layout of bench/peers, as one block of f32. */
function weights() {
  const names = [
    "embed.W_E",
    "blocks.0.attn.W_Q",
    "blocks.0.attn.W_K",
    "blocks.0.attn.W_V",
    "blocks.0.attn.W_O",
    "blocks.0.mlp.W_in",
    "blocks.0.mlp.W_out",
    "ln_final.w",
    "unembed.W_U",
  ];
  const parts = core.describe(model.program).params;
  const blocks = names.map((name) => {
    const index = parts.findIndex((part) => part.name === name);
    if (index < 0) throw new Error(`no parameter ${name}; there are ${parts.map((part) => part.name).join(", ")}`);
    const out = new Float32Array(parts[index].length);
    core.readParam(model.program, index, out);
    return Buffer.from(out.buffer);
  });
  return { weights: Buffer.concat(blocks).toString("base64"), train: [...modularAddition({ p }).trainIndices] };
}

const answers = { steps, hooks, weights, info: () => ({ ...core.info(), threads: inForce }) };
await answerLines(answers);
