// Trains a ternary transformer on (a + b) mod 23 and watches its codes move. Run after `npm run setup`: node examples/01-train.mjs
import { loadCore, Model, modularAddition, train } from "tritlens";
import { liConfig } from "tritlens/models";

const core = await loadCore();
console.log(`${core.backend} core, ${core.info().isa} kernels`);

const p = 23;
const data = modularAddition({ p, fraction: 0.5 });
const model = Model.fromConfig(liConfig({ p, mode: "li_ternary" }), { seed: 0 });

const stop = AbortSignal.timeout(20_000);
try {
  const until = { testAccuracy: 0.99, hold: 100 };
  for await (const event of train(model, data, { steps: 1500, evalEvery: 250, log: 250, until, signal: stop })) {
    const flipped = Object.values(event.flips).reduce((sum, count) => sum + count, 0);
    console.log(`step ${event.step}  test loss ${event.testLoss?.toFixed(3)}  accuracy ${event.testAccuracy?.toFixed(3)}  codes flipped ${flipped}`);
  }
} catch (error) {
  // An aborted run leaves the model at a whole step: everything below still works.
  if (error !== stop.reason) throw error;
  console.log("out of time");
}

const { codes, scale, shape } = model.paramCodes("blocks.0.mlp.W_in");
const count = (code) => codes.filter((found) => found === code).length;
console.log(`W_in [${shape}] = ${scale.toFixed(4)} x {-1: ${count(-1)}, 0: ${count(0)}, 1: ${count(1)}}`);
model.dispose();
