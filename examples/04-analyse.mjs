// Reverse-engineers a trained model: which frequencies it uses, how much of its logits they explain, what breaks without them.
// node examples/04-analyse.mjs [CHECKPOINT]     (without one it trains a small model first, which memorises and does not grok)
import { loadCheckpoint, loadCore, Model, modelFromCheckpoint, modularAddition, train } from "tritlens";
import { analyzeModAdd } from "tritlens/interp";
import { liConfig } from "tritlens/models";

await loadCore();

/** The model of a checkpoint together with the pairs it was trained on. */
async function load(path) {
  const checkpoint = await loadCheckpoint(path);
  return { model: modelFromCheckpoint(checkpoint), trainIndices: checkpoint.trainIndices ?? [] };
}

async function small() {
  const data = modularAddition({ p: 17, fraction: 0.6 });
  const model = Model.fromConfig(liConfig({ p: 17 }), { seed: 0 });
  for await (const event of train(model, data, { steps: 300, evalEvery: 100, log: 100 }))
    console.log(`step ${event.step}  test accuracy ${event.testAccuracy?.toFixed(3)}`);
  return { model, trainIndices: data.trainIndices };
}

const { model, trainIndices } = process.argv[2] ? await load(process.argv[2]) : await small();
const found = await analyzeModAdd(model, { trainIndices, ablations: false });
console.log(`key frequencies: ${found.key_frequencies.join(", ") || "none"} (${found.key_frequency_rule?.note ?? "see key_frequency_rule"})`);
console.log(`share of the centred logits at them: ${found.logit_fve_key.toFixed(4)}`);
console.log(`neurons with a frequency of their own: ${found.neurons.fve_ge_085} of ${found.neurons.alive}`);
model.dispose();
