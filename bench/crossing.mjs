/**
 * What a call costs that only crosses the boundary between JavaScript and the core: the binding's function alone, and the same through the SDK, which turns
 * failures into typed errors. The call asks an open trainer how many steps it took.
 */
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

/** One row for each backend: nanoseconds of the bare call and of the call through the SDK, and the limit that is promised. */
export async function crossing(backends = ["native", "wasm"]) {
  const rows = [];
  for (const backend of backends) {
    const core = await loadCore({ backend, parallel: "none" });
    const binding = await BINDINGS[backend]();
    const model = Model.fromConfig(liConfig({ p: 5, dModel: 8, nHeads: 2, dHead: 4, dMlp: 8 }), { core, seed: 1 });
    const trainer = core.openTrainer(model.program, "{}");
    rows.push({
      backend,
      bare: nanoseconds(() => binding.trainerStep(trainer)),
      sdk: nanoseconds(() => core.trainerStep(trainer)),
      limit: backend === "native" ? 1000 : 100,
    });
    core.closeTrainer(trainer);
    model.dispose();
  }
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.table(await crossing(process.argv.slice(2).length ? process.argv.slice(2) : undefined));
