import { readFileSync } from "node:fs";
import { loadCore, Model, modularAddition } from "tritlens";
import { liConfig } from "tritlens/models";
const core = await loadCore({ backend: "wasm", parallel: "none", wasmBinary: readFileSync(process.argv[2]) });
const CONFIG = { lr: 1e-3, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 1, warmupSteps: 0, schedule: "constant", totalSteps: 1e6, savings: true };
const { train } = modularAddition({ p: 113 });
const r = [];
for (const mode of ["fp32", "li_ternary"]) {
  const model = Model.fromConfig(liConfig({ p: 113, mode }), { core, seed: 3 });
  const trainer = core.openTrainer(model.program, JSON.stringify(CONFIG));
  core.setData(trainer, 0, train.tokens.data, train.targets);
  const out = new Float64Array(core.describeTrainer(trainer).columns.length);
  const t = [];
  for (let i = 0; i < 30; i++) { const a = performance.now(); await core.trainSteps(trainer, 1, out); t.push(performance.now() - a); }
  t.splice(0, 5); t.sort((a, b) => a - b);
  r.push(`${mode} best ${t[0].toFixed(1)} median ${t[12].toFixed(1)}`);
}
console.log(process.argv[2].slice(-40), r.join("  "));
