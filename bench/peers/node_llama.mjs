/** node-llama-cpp (llama.cpp's addon, as npm has it) running a language model: `node node_llama.mjs FOLDER`. Answers what bench/peers/llama_lm.cpp answers, but for logits. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { answerLines } from "../answer.mjs";

const require = createRequire(join(process.argv[2], "package.json"));
const { getLlama } = await import(pathToFileURL(require.resolve("node-llama-cpp")));
const cases = [];

/** Bytes as tokens, as the other sides' prompts. */
const words = (count) => Array.from({ length: count }, (_, i) => (i * 7919 + 3) % 256);
const since = (began) => ({ seconds: (performance.now() - began) / 1000 });

async function load({ model: modelPath, threads }) {
  const llama = await getLlama({ gpu: false, maxThreads: threads, build: "never", skipDownload: true, logLevel: "error" });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads });
  return context.getSequence();
}

const answers = {
  load: async (request) => ({ case: cases.push(await load(request)) - 1 }),
  async prompt({ case: number, count }) {
    const sequence = cases[number];
    await sequence.clearHistory();
    const began = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(words(count));
    return since(began);
  },
  async generate({ case: number, count, prompt }) {
    const sequence = cases[number];
    await sequence.clearHistory();
    let began;
    let made = 0;
    // The first token comes out of the prompt: time runs from there. It makes more tokens as long as it is asked for them; the end of a text is a token like others.
    for await (const _ of sequence.evaluate(words(prompt), { temperature: 0, yieldEogToken: true })) {
      began ??= performance.now();
      if (made++ === count) break;
    }
    if (made <= count) throw new Error(`node-llama-cpp stopped after ${made} tokens`);
    return since(began);
  },
};
await answerLines(answers);
process.exit(0);
