// What quantising after training does to a model that works, beside training with the quantiser. node examples/09-convert.mjs [steps]
import { readdirSync, readFileSync } from "node:fs";
import { convertModel, loadCore, Model, memorySink, nextTokens, saveModel, train } from "tritlens";

await loadCore();
const steps = Number(process.argv[2] ?? 150);
const pos = 64;

// Characters of this project's own sources; the last twentieth is held out.
const sources = new URL("../packages/sdk/src/", import.meta.url);
const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((f) => f.endsWith(".ts"));
const all = files.sort().map((f) => readFileSync(new URL(f, sources), "utf8"));
const text = all
  .join("")
  .replace(/[^ -~\n]/g, "~")
  .slice(-250_000);
const letters = [...new Set(text)].sort();
const ids = [...text].map((c) => letters.indexOf(c));
const cut = Math.floor(0.95 * ids.length);
const held = nextTokens(ids.slice(cut, cut + 10_000), pos);
const data = { train: nextTokens(ids.slice(0, cut), pos), test: held };

const sizes = { nLayers: 2, dModel: 128, dHead: 32, nHeads: 4, dMlp: 256, nCtx: pos, dVocab: letters.length };
const llama = /** @type {const} */ ({ normalization: "RMS", actFn: "silu", gatedMlp: true, positions: "rotary" });
const unbiased = { attnBias: false, mlpBias: false, unembedBias: false };

/** Mean cross-entropy on the held-out text, in nats a character. @param {Model} model */
function lossOf(model) {
  const { data: logits, shape } = model.forward(held.tokens);
  const classes = /** @type {number} */ (shape[2]);
  let sum = 0;
  for (let row = 0; row < held.targets.length; row++) {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    const top = Math.max(...scores);
    sum += Math.log(scores.reduce((s, x) => s + Math.exp(x - top), 0)) + top - scores[held.targets[row]];
  }
  return sum / held.targets.length;
}

/** @param {"none" | "ternary" | "binary"} quantizer */
async function trained(quantizer) {
  const model = Model.fromConfig({ ...sizes, ...llama, ...unbiased, quantizer }, { seed: 0 });
  const options = { steps, batchSize: 16, evalEvery: 0, lr: 3e-3, warmupSteps: 20, weightDecay: 0.05, schedule: /** @type {const} */ ("cosine") };
  for await (const _ of train(model, data, options));
  return model;
}

const dense = await trained("none");
console.log(`f32, trained ${steps} steps: ${lossOf(dense).toFixed(3)} nats a character (${Math.log(letters.length).toFixed(3)} by guessing)\n`);

/** @type {import("tritlens").ConvertOptions[]} */
const ways = [
  { format: "ternary", method: "absmean" },
  { format: "ternary", method: "twn" },
  { format: "ternary", method: "leastSquares" },
  { format: "ternary", method: "leastSquares", granularity: "row" },
  { format: "ternary", method: "leastSquares", granularity: "group", groupSize: 128, shift: true },
  { format: "binary", method: "sign" },
  { format: "binary", method: "sign", granularity: "row" },
];
for (const way of ways) {
  const { model, report } = await convertModel(dense, { ...way, tokens: held.tokens });
  const { bitsPerWeight, logits } = report.toJSON();
  const what = `${way.format}, ${way.method}, ${way.granularity ?? "tensor"}${way.shift ? " with shifts" : ""}`;
  const top = `same top character ${(100 * (logits?.top1 ?? 0)).toFixed(0)} %`;
  console.log(`${what.padEnd(44)} after training: ${lossOf(model).toFixed(3)}, ${bitsPerWeight.toFixed(2)} bits, ${top}`);
  if (way === ways[3]) console.log(`\n${report}\n`);
  model.dispose();
}

for (const quantizer of /** @type {const} */ (["ternary", "binary"])) {
  const latent = await trained(quantizer);
  const { model, report } = await convertModel(latent, { format: quantizer, tokens: held.tokens });
  const file = memorySink();
  const { notes } = await saveModel(model, () => file, { format: "gguf", lossy: true });
  console.log(
    `${quantizer} from the first step on: ${lossOf(latent).toFixed(3)}; packed: ${lossOf(model).toFixed(3)} (${report.toJSON().warning.split(":")[0]})`,
  );
  console.log(`  as GGUF: ${file.bytes.length} bytes, ${notes.length} matrices without whole blocks`);
}
