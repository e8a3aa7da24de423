/**
 * What a call costs that only crosses the boundary between JavaScript and the core: the binding's function alone, and the same through the SDK, which turns
 * failures into typed errors. The call asks an open trainer how many steps it took.
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { loadCore, Model } from "tritlens";
import { liConfig } from "tritlens/models";

const ROUNDS = 15;
const CALLS = 200_000;

/** Nanoseconds a call, the median of some rounds. */
function nanoseconds(call) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    for (let i = 0; i < CALLS; i++) call();
    times.push(((performance.now() - began) * 1e6) / CALLS);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

/** The generated bindings, which the SDK has loaded before. */
const BINDINGS = {
  native: () => createRequire(import.meta.url)("@tritlens/native"),
  wasm: () => import("@tritlens/wasm"),
};

/** Nanoseconds of the bare call and of the call through the SDK, in this process. */
async function measure(backend) {
  const core = await loadCore({ backend, parallel: "none" });
  const binding = await BINDINGS[backend]();
  const model = Model.fromConfig(liConfig({ p: 5, dModel: 8, nHeads: 2, dHead: 4, dMlp: 8 }), { core, seed: 1 });
  const trainer = core.openTrainer(model.program, "{}");
  const found = { bare: nanoseconds(() => binding.trainerStep(trainer)), sdk: nanoseconds(() => core.trainerStep(trainer)) };
  core.closeTrainer(trainer);
  model.dispose();
  return found;
}

const THIS = fileURLToPath(import.meta.url);

/**
 * One row for each backend: nanoseconds of the bare call and of the call through the SDK, and the limit that is promised. Each backend has a process of its own, as
 * most programs use one: functions that have served two are slower.
 */
export async function crossing(backends = ["native", "wasm"]) {
  return backends.map((backend) => ({
    backend,
    ...JSON.parse(execFileSync(process.execPath, [THIS, backend], { encoding: "utf8" })),
    limit: backend === "native" ? 1000 : 100,
  }));
}

if (process.argv[1] === THIS) {
  const [backend] = process.argv.slice(2);
  if (backend) console.log(JSON.stringify(await measure(backend)));
  else console.table(await crossing());
}
