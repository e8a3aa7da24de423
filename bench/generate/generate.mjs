/**
 * Section `generate`: a language model in BitNet 2B4T's shape with random ternary weights, ours and llama.cpp's from the same GGUF file: tokens a second of generation and
 * of a prompt, what captures cost, the time to the first token, memory; in WebAssembly beside @wllama/wllama in Chromium. Logits are compared first.
 */
import { startLlama, startNodeLlama } from "../peers/install.mjs";
import { rounded } from "../rows.mjs";
import { firstToken } from "./first.mjs";
import { randomModel, SHAPE } from "./random-gguf.mjs";
import { captures, checkLogits, contest, opened, ours, PEER } from "./sides.mjs";
import { wasmRows } from "./wasm.mjs";

/** Tokens in a turn, and turns of the slow ones. */
const FULL = { generate: 64, prompt: 512, before: 16, few: 3, wasm: { generate: 16, prompt: 32, before: 16 } };
const QUICK = { generate: 16, prompt: 64, before: 16, few: 1, wasm: { generate: 4, prompt: 16, before: 16 } };

/** Products of a weight and an activation that a token takes. */
function products({ layers, hidden, ffn, heads, kvHeads, headDim, vocab }) {
  const attention = 2 * hidden * heads * headDim + 2 * hidden * kvHeads * headDim;
  return layers * (attention + 3 * hidden * ffn) + hidden * vocab;
}

/** Tokens a second that the machine allows: reading every weight once a token, and multiplications. */
function bounds(limits, threads, bytes) {
  const read = limits.at("read memory", threads);
  const loops = ["i8 dpbusd zmm", "i8 dpbusd ymm", "i8 maddubs i16 ymm"].map((name) => limits.at(name, threads));
  const multiply = loops.find(Boolean);
  return [
    read && { name: `${read.name} (${rounded(read.value)} GB/s)`, value: (read.value * 1e9) / bytes },
    multiply && { name: multiply.name, value: (multiply.value * 1e9) / products(SHAPE) },
  ];
}

/** Every side on some number of threads, ours first, with its logits checked. */
async function sidesOf({ native, llama, nodeLlama }, models, threads) {
  const sides = [await opened(native, "native", models.TQ2_0.path, threads)];
  for (const [type, { path }] of Object.entries(llama ? models : {})) sides.push(await opened(llama, `llama.cpp ${type}`, path, threads));
  if (llama)
    await checkLogits(
      sides[0],
      sides.find(({ name }) => name === PEER),
    );
  if (nodeLlama) sides.push(await opened(nodeLlama, "node-llama-cpp TQ2_0", models.TQ2_0.path, threads));
  return sides;
}

export async function measureGenerate(context, report) {
  const { threads: counts, rounds, quick, peers, limits } = context;
  const size = quick ? QUICK : FULL;
  const types = peers && !quick ? ["TQ2_0", "TQ1_0", "Q4_0"] : ["TQ2_0"];
  const models = {};
  for (const type of types) models[type] = await randomModel(type);
  const contestants = { native: ours("native"), llama: peers && (await startLlama()), nodeLlama: peers && (await startNodeLlama()) };
  const all = [];
  const add = (rows) => {
    report(rows);
    all.push(...rows);
  };
  for (const threads of counts) {
    const sides = await sidesOf(contestants, models, threads);
    const [reading, multiplying] = bounds(limits, threads, models.TQ2_0.bytes);
    const generate = { ask: "generate", count: size.generate, prompt: size.before };
    const prompt = { ask: "prompt", count: size.prompt };
    add(await contest("generation", sides, generate, { rounds, limits: [reading, multiplying] }));
    add(await contest("prompt", sides, prompt, { rounds: Math.min(rounds, size.few), limits: [multiplying] }));
    add([await captures("generation", sides[0], generate, rounds), await captures("prompt", sides[0], prompt, rounds)]);
  }
  const { native, llama, nodeLlama } = contestants;
  for (const side of [native, nodeLlama]) side?.end();
  add(await firstToken(models.TQ2_0, counts.at(-1), Math.min(rounds, 5), llama));
  llama?.end();
  return [...all, ...(await wasmRows({ rounds: Math.min(rounds, size.few), peers }, models.TQ2_0, size.wasm, report))];
}
