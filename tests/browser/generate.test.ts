/** Generation in Chromium, from the bundle: the tokenizer and the generator are chunks that are loaded when they are asked for. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

const MODEL = [...readFileSync(new URL("../../examples/models/induction.gguf", import.meta.url))];

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

it("writes as it does in Node, keeps activations, and stops", async () => {
  const { page, errors } = await browser.open("/tests/browser/pages/blank.html");
  const loaded: string[] = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname.replace(/.*\//, "")));
  const found = await page.evaluate(async (bytes) => {
    const core = await tritlens.loadCore();
    const model = await tritlens.Model.fromPretrained(Uint8Array.from(bytes).buffer, { core });
    const prompt = "red fox blue cat green owl red fox blue";
    const text = await model.generate(prompt, { maxTokens: 3 }).text();
    const shapes: string[] = [];
    for await (const step of model.generate(prompt, { names: "blocks.1.attn.hook_pattern" })) {
      shapes.push(step.cache.get("blocks.1.attn.hook_pattern").shape.join("x"));
      if (shapes.length === 2) break;
    }
    const template = "{% for m in messages %}{{ m.content }} {% endfor %}";
    const chat = await tritlens.applyChatTemplate(model, [{ role: "user", content: "hello" }], { template });
    const controller = new AbortController();
    let code = "";
    try {
      for await (const _ of model.generate(prompt, { signal: controller.signal })) controller.abort();
    } catch (error) {
      code = (error as { code: string }).code;
    }
    model.dispose();
    return { text, shapes, chat, code };
  }, MODEL);
  expect(found).toEqual({ text: " cat green owl", shapes: ["1x4x10x10", "1x4x1x11"], chat: "hello ", code: "E_ABORTED" });
  expect(loaded.some((name) => name.startsWith("tokenizers"))).toBe(true);
  expect(errors).toEqual([]);
});
