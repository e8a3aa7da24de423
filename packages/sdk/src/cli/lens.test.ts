import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { main } from "./main.ts";

const model = fileURLToPath(new URL("../../../../examples/models/induction.gguf", import.meta.url));
const PROMPT = "red fox blue cat green owl red fox blue";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await main(["lens", ...argv], { out: { write: (s) => (out += s), columns: 120 }, err: { write: (s) => (err += s) } });
  return { code, out, err };
}

it("prints what the model would say after every layer, and how the answer comes to the top", async () => {
  const { code, out } = await run(model, "--prompt", PROMPT, "--mid");
  expect(code).toBe(0);
  expect(out).toMatch(/layer +<s> +·red +·fox/);
  for (const layer of ["0_pre", "0_mid", "1_pre", "1_mid"]) expect(out).toContain(`${layer} `);
  expect(out).toMatch(/final_post .*·blue +·cat\n/);
  expect(out).toMatch(/·cat +[▁▂▃▄▅▆▇█]+ +\d+ +1 +1 +\d+/);
  expect(out).not.toContain("\u001b");
});

it("shows the last positions of a long prompt", async () => {
  const { out } = await run(model, "--prompt", `${PROMPT} ${PROMPT}`);
  expect(out).toContain("the last 11 of 19 positions");
  expect(out).toMatch(/final_post .*·cat\n/);
});

it("writes numbers and a picture", async () => {
  const svg = join(await mkdtemp(join(tmpdir(), "tritlens-lens-")), "lens.svg");
  const { out, err } = await run(model, "--prompt", PROMPT, "--json", "--svg", svg);
  const found = JSON.parse(out) as { layers: string[]; tokens: string[]; top: string[][]; probability: number[][] };
  expect(found.layers).toEqual(["0_pre", "1_pre", "final_post"]);
  expect(found.tokens.length).toBe(10);
  expect(found.top[2]?.at(-1)).toBe(" cat");
  expect(found.probability[2]?.at(-1)).toBeGreaterThan(0.9);
  expect(await readFile(svg, "utf8")).toContain("<title>layer final_post, position ·blue: ·cat, probability ");
  expect(err).toContain("picture  file://");
});

it("wants one prompt", async () => {
  expect(await run(model)).toMatchObject({ code: 2, err: expect.stringMatching(/E_RANGE: one prompt is needed/) });
  expect(await run(model, "--prompt", "red", "--tokens", "1,2")).toMatchObject({ code: 2 });
  expect(await run(model, "--tokens", "1,9999")).toMatchObject({ err: expect.stringMatching(/E_RANGE/) });
});
