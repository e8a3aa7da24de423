/** WebAssembly's part of the section `generate`: our page and wllama's in Chromium, one thread each, and ours in Node. */
import { basename, join } from "node:path";
import { npmPeers, optional } from "../peers/install.mjs";
import { startChromium } from "./chromium.mjs";
import { SHAPE } from "./random-gguf.mjs";
import { checkLogits, contest, opened, ours } from "./sides.mjs";

/** wllama's page, answering what the other sides answer. Its tokens are counted by llama.cpp, which may make one less than it is asked for. */
async function wllama(browser, file) {
  const name = "wllama TQ2_0 in Chromium";
  const page = await browser.open(name, "/root/bench/generate/wllama-page.mjs");
  await page.ask({ ask: "load", file, threads: 1 });
  const complete = (prompt, count) => page.ask({ ask: "complete", prompt, count, vocab: SHAPE.vocab });
  const ask = async (request) => {
    const { count, prompt } = request;
    if (request.ask === "prompt") {
      const done = await complete(count, 1);
      return { seconds: (done.prompt / done.promptTokens) * count };
    }
    const done = await complete(prompt, count);
    return { seconds: (done.generate / done.tokens) * count };
  };
  return { name, threads: 1, ask };
}

async function ourPage(browser, file) {
  const page = await browser.open("tritlens", "/root/bench/generate/tritlens-page.mjs");
  return opened(page, "wasm in Chromium", `${browser.url}/models/${file}`, 1);
}

const chromium = () =>
  optional("Chromium", async () => startChromium({ wllama: join(await npmPeers("npm-llama"), "node_modules", "@wllama", "wllama") }));

/** Rows of generation and of a prompt. */
export async function wasmRows({ rounds, peers }, model, size, report) {
  const [native, node] = [ours("native"), ours("wasm")];
  const sides = [await opened(node, "wasm in Node", model.path, 1)];
  await checkLogits(sides[0], await opened(native, "native", model.path, 1));
  native.end();
  const browser = peers ? await chromium() : undefined;
  if (browser) {
    const page = await optional("our page (npm run build makes what it loads)", () => ourPage(browser, basename(model.path)));
    if (page) sides.unshift(page);
    sides.push(await wllama(browser, basename(model.path)));
  }
  const rows = [
    ...(await contest("generation", sides, { ask: "generate", count: size.generate, prompt: size.before }, { rounds })),
    ...(await contest("prompt", sides, { ask: "prompt", count: size.prompt }, { rounds })),
  ];
  report(rows);
  node.end();
  await browser?.close();
  return rows;
}
