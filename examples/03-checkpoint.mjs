// Stops a run, continues it from its checkpoint, and shows that nothing was lost: the weights equal those of a run without a stop, bit for bit.
// node examples/03-checkpoint.mjs
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCheckpoint, loadCore, Model, modelFromCheckpoint, modularAddition, train } from "tritlens";
import { liConfig } from "tritlens/models";

await loadCore();
const p = 23;
const data = modularAddition({ p });
const fresh = () => Model.fromConfig(liConfig({ p, mode: "li_binary" }), { seed: 7 });
const folder = await mkdtemp(join(tmpdir(), "tritlens-example-"));
const path = join(folder, "run.safetensors");

/**
 * Trains to step 60; a signal may end it earlier, at `stopAt`.
 * @param {Model} model
 * @param {{ stopAt?: number } & Partial<import("tritlens").TrainOptions>} options
 */
async function run(model, { stopAt = Number.POSITIVE_INFINITY, ...more } = {}) {
  const abort = new AbortController();
  const options = { steps: 60, log: 1, evalEvery: 0, signal: abort.signal, ...more };
  try {
    for await (const event of train(model, data, options)) if (event.step >= stopAt) abort.abort();
  } catch (error) {
    if (error !== abort.signal.reason) throw error;
  }
  return model;
}

const straight = await run(fresh());
await run(fresh(), { stopAt: 25, checkpoint: { path } });

const checkpoint = await loadCheckpoint(path);
console.log(`stopped at step ${checkpoint.step}; the file holds ${[...checkpoint.params.keys()].join(", ")}`);
const resumed = await run(modelFromCheckpoint(checkpoint), { resume: checkpoint });

const same = [...straight.stateDict()].every(([name, { data }]) =>
  Buffer.from(data.buffer).equals(Buffer.from(resumed.stateDict().get(name).data.buffer)),
);
console.log(same ? "bit for bit the same as without a stop" : "DIFFERENT");
await rm(folder, { recursive: true });
if (!same) process.exit(1);
