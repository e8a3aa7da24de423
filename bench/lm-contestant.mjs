/**
 * Our side of bench/lm.mjs, in a process of its own: `node lm-contestant.mjs '{"backend":"native","threads":1,"mode":"ternary","size":{...}}'`. Answers one
 * request a line, as contestant.mjs does. It also says what the other sides are to train on: the initial weights, and the batches of its steps.
 */
import { loadCore, Model, nextTokens, transformerConfig } from "tritlens";

const { backend, threads, mode, size } = JSON.parse(process.argv[2]);
const core = await loadCore({ backend });
const inForce = core.setThreads(threads);
const { batch, ...sizes } = size;
const quantizer = mode === "fp32" ? "none" : "ternary";
const config = transformerConfig({ ...sizes, actFn: "gelu_new", quantizer, actQuant: mode === "int8" ? "int8" : "none" });
const model = Model.fromConfig(config, { core, seed: 3 });

/** A text in which a token depends on the two before it, with some noise: something to learn. */
function text(length, vocab) {
  const out = new Int32Array(length);
  let state = 12345;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const told = i < 2 ? i : (3 * out[i - 1] + 5 * out[i - 2] + 7) % vocab;
    out[i] = state % 8 === 0 ? (state >>> 8) % vocab : told;
  }
  return out;
}

/** As many sequences as a batch has: every step takes all of them, each in the order of its epoch, and no order changes a loss. */
const data = nextTokens(text(batch * config.nCtx + 1, config.dVocab), config.nCtx);

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
let opened;
/** Takes steps; answers with their time and the losses before each update. */
async function steps({ count }) {
  if (!opened) {
    const optimizer = { lr: 1e-3, beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.1, batchSize: batch };
    const trainer = core.openTrainer(model.program, JSON.stringify(optimizer));
    core.setData(trainer, 0, data.tokens.data, data.targets);
    opened = { trainer, columns: core.describeTrainer(trainer).columns.length };
  }
  const out = new Float64Array(count * opened.columns);
  const began = performance.now();
  await core.trainSteps(opened.trainer, count, out);
  const seconds = (performance.now() - began) / 1000;
  return { seconds, losses: Array.from({ length: count }, (_, i) => out[i * opened.columns]) };
}

/** Initial weights as one block of f32 in the core's layout ([out, in]), with their names and shapes. */
function weights() {
  const parts = core.describe(model.program).params;
  const blocks = parts.map(({ length }, index) => {
    const out = new Float32Array(length);
    core.readParam(model.program, index, out);
    return Buffer.from(out.buffer);
  });
  return { weights: Buffer.concat(blocks).toString("base64"), names: parts.map(({ name, shape }) => [name, shape]) };
}

const batches = () => ({ tokens: base64(data.tokens.data), targets: base64(data.targets) });
const answers = { steps, weights, batches, info: () => ({ ...core.info(), threads: inForce }) };
await answerLines(answers);
