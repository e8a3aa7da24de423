/** Milliseconds of a full-batch training step in WebAssembly, by ways to use threads: `node bench/wasm-step.mjs [p]`. Sides take turns. */
import { loadCore, Model, modularAddition } from "tritlens";
import { liConfig } from "tritlens/models";

const p = Number(process.argv[2] ?? 113);
const CONFIG = { lr: 1e-3, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 1, warmupSteps: 0, schedule: "constant", totalSteps: 1e6, savings: true };
const { train } = modularAddition({ p });

async function side(parallel, threads, mode) {
  const core = await loadCore({ backend: "wasm", parallel });
  core.setThreads(threads);
  const model = Model.fromConfig(liConfig({ p, mode }), { core, seed: 3 });
  const trainer = core.openTrainer(model.program, JSON.stringify(CONFIG));
  core.setData(trainer, 0, train.tokens.data, train.targets);
  const out = new Float64Array(core.describeTrainer(trainer).columns.length * 3);
  const step = async (n) => {
    core.setThreads(threads);
    await core.trainSteps(trainer, n, out);
  };
  await step(3);
  await step(2);
  return { name: `${mode} ${parallel} ${threads}`, times: [], step };
}

const sides = [];
for (const mode of ["fp32", "li_ternary"])
  for (const [parallel, threads] of [
    ["none", 1],
    ["workers", 2],
    ["threads", 1],
    ["threads", 2],
  ])
    sides.push(await side(parallel, threads, mode));
for (let round = 0; round < 9; round++)
  for (const one of sides) {
    const began = performance.now();
    await one.step(3);
    one.times.push((performance.now() - began) / 3);
  }
for (const { name, times } of sides) {
  times.sort((a, b) => a - b);
  console.log(`${name}: median ${times[4].toFixed(1)} ms, best ${times[0].toFixed(1)} ms`);
}
process.exit(0);
