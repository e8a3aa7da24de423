/** @wllama/wllama (llama.cpp's own WebAssembly build) as a page's side; see chromium.mjs. Its times are those that llama.cpp's server reports inside of it. */
import { Wllama } from "/wllama/esm/index.js";

let model;

export async function load({ file, threads }) {
  const blob = await (await fetch(`/models/${file}`)).blob();
  model = new Wllama({ default: "/wllama/esm/wasm/wllama.wasm" }, { suppressNativeLog: true });
  await model.loadModel([blob], { n_ctx: 1024, n_batch: 512, n_threads: threads, n_gpu_layers: 0, warmup: false });
  return { version: Wllama.getLibllamaVersion(), threads: model.getNumThreads() };
}

/** Seconds of a prompt of `prompt` tokens and of `count` tokens after it. A byte is a token in the bench's vocabulary; others than bytes are not to be chosen. */
export async function complete({ prompt, count, vocab }) {
  // Another text each time, so that nothing of it is remembered.
  const text = Array.from({ length: prompt }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join("");
  const logit_bias = Array.from({ length: vocab - 94 }, (_, i) => [94 + i, false]);
  const { timings } = await model.createCompletion({
    prompt: text,
    max_tokens: count,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: false,
    logit_bias,
  });
  return { promptTokens: timings.prompt_n, prompt: timings.prompt_ms / 1000, tokens: timings.predicted_n, generate: timings.predicted_ms / 1000 };
}
