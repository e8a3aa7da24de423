import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readSafetensors } from "../io/index.ts";
import { main } from "./main.ts";
import { parseHook } from "./run-hooks.ts";

const model = fileURLToPath(new URL("../../../../examples/models/induction.gguf", import.meta.url));
const PROMPT = "red fox blue cat green owl red fox blue";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await main(["run", ...argv], { out: { write: (s) => (out += s) }, err: { write: (s) => (err += s) } });
  return { code, out, err };
}

describe("tritlens run", () => {
  it.each([["--stream"], ["--no-stream"]])("goes on with a text (%s)", async (how) => {
    const { code, out, err } = await run(model, "--prompt", PROMPT, "--max-tokens", "3", how);
    expect(out).toBe(" cat green owl\n");
    expect(err).toMatch(/loaded in .* s[\s\S]*10 prompt tokens \(.* tokens\/s\), 3 generated \(.* tokens\/s\), ended by length/);
    expect(code).toBe(0);
  });

  it("ends at Ctrl-C with what there is", async () => {
    let [out, err] = ["", ""];
    const write = (text: string): void => {
      out += text;
      if (out.endsWith(" green")) process.emit("SIGINT");
    };
    const code = await main(["run", model, "--prompt", PROMPT, "--stream"], { out: { write }, err: { write: (s) => (err += s) } });
    expect(out).toBe(" cat green\n");
    expect(err).toMatch(/Stopping[\s\S]*2 generated .*, ended by interrupt/);
    expect(code).toBe(130);
    expect(process.listenerCount("SIGINT")).toBe(0);
  });

  it("prints one object", async () => {
    const { out } = await run(model, "--tokens", "1,30,40,50", "--max-tokens", "2", "--json", "--temperature", "0.5", "--seed", "1");
    expect(JSON.parse(out)).toMatchObject({
      tokens: [expect.any(Number), expect.any(Number)],
      prompt_tokens: [1, 30, 40, 50],
      finish_reason: "length",
    });
    const stopped = JSON.parse((await run(model, "--prompt", PROMPT, "--stop", " green", "--json")).out) as object;
    expect(stopped).toMatchObject({ text: " cat", finish_reason: "stop" });
  });

  it("edits, shows and saves what happens inside", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tritlens-run-"));
    const [save, svg] = [join(folder, "kept.safetensors"), join(folder, "head.svg")];
    const kept = ["--capture", "blocks.*.hook_resid_post", "--save", save, "--attention", "1.0", "--svg", svg];
    const { out, err } = await run(
      model,
      "--prompt",
      PROMPT,
      "--max-tokens",
      "2",
      "--hooks",
      "blocks.0.attn.hook_z@head=0..4:zero",
      "--hooks",
      "hook_embed",
      ...kept,
    );
    // Without the first block's attention nothing can be looked up.
    expect(out).not.toContain("cat green");
    expect(out).toMatch(/·green .*[░▒▓█]/);
    expect(err).toMatch(/hook_embed 0\.\.10 \[1, 10, 64\] mean .*\nhook_embed 10\.\.11 \[1, 1, 64\]/);
    const { tensors } = await readSafetensors(save);
    expect([...tensors].map(([name, t]) => [name, t.shape])).toEqual([
      ["blocks.0.hook_resid_post", [1, 11, 64]],
      ["blocks.1.hook_resid_post", [1, 11, 64]],
      ["tokens", [1, 11]],
    ]);
    expect(await readFile(svg, "utf8")).toMatch(/^<svg[\s\S]*<\/svg>\n$/);
  });

  it.each([
    [["--prompt", "x", "--tokens", "1"], "E_RANGE: one prompt is needed"],
    [[], "E_RANGE: one prompt is needed"],
    [["--tokens", "1,x"], "expected a whole number"],
    [["--tokens", "1", "--chat"], "--chat needs text"],
    [["--prompt", "red", "--chat"], "E_MODE: the checkpoint has no chat template"],
    [["--prompt", "red", "--save", "x"], "--save needs something to save"],
    [["--prompt", "red", "--attention", "one"], "LAYER.HEAD"],
    [["--prompt", "red", "--attention", "7.0"], 'unknown hook "blocks.7.attn.hook_pattern"'],
    [["--prompt", "red", "--hooks", "hook_embde"], "did you mean hook_embed"],
    [["--prompt", "red", "--hooks", "hook_embed:zap"], "E_NAME"],
    [["--prompt", "red", "--top-p", "2"], "E_RANGE: wrong value of topP"],
  ])("refuses %j", async (argv, message) => {
    const { code, err } = await run(model, ...argv);
    expect(err).toContain(message);
    expect(err).not.toContain("    at ");
    expect(code).toBe(2);
  });

  it("says what is wrong with a file, without raw control characters", async () => {
    const { code, err, out } = await run("/nowhere/\u001b[2J", "--tokens", "1");
    expect(err).toMatch(/E_IO.*\\x1b\[2J/);
    expect(out).toBe("");
    expect(code).toBe(1);
  });
});

describe("hooks of the command line", () => {
  const parse = (text: string): unknown => parseHook(text, () => undefined);

  it("are names, places and actions", () => {
    expect(parse("blocks.*.attn.hook_z@head=3,pos=4..8:zero")).toEqual(["blocks.*.attn.hook_z", { kind: "zero", at: { head: 3, pos: [4, 8] } }]);
    expect(parse("hook_embed:scale=0.5")).toEqual(["hook_embed", { kind: "scale", factor: 0.5 }]);
    expect(parse("hook_embed:add=-1")).toEqual(["hook_embed", { kind: "add", value: -1 }]);
    expect(parse("hook_embed")).toEqual(["hook_embed", expect.any(Function)]);
  });

  it.each(["hook_embed:scale", "hook_embed:set=x", "hook_embed@head:zero", "hook_embed@head=-1:zero", "hook_embed:zero:zero"])(
    "refuse %s",
    (text) => {
      expect(() => parse(text)).toThrow(/E_RANGE|E_NAME/);
    },
  );
});
