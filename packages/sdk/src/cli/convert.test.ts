import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { saveModel } from "../convert/index.ts";
import { loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { main } from "./main.ts";

let scratch: string;
let source: string;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const run = (...argv: string[]): Promise<Ran> => command("convert", ...argv);
const compare = (...argv: string[]): Promise<Ran> => command("compare", ...argv);

async function command(...argv: string[]): Promise<Ran> {
  let [out, err] = ["", ""];
  const code = await main(argv, { out: { write: (s) => (out += s) }, err: { write: (s) => (err += s) } });
  return { code, out, err };
}

beforeAll(async () => {
  await loadCore();
  scratch = mkdtempSync(join(tmpdir(), "tritlens-convert-"));
  source = join(scratch, "dense");
  const sizes = { nLayers: 1, dModel: 256, dHead: 64, nHeads: 4, dMlp: 512, nCtx: 16, dVocab: 20 };
  const llama = {
    normalization: "RMS",
    actFn: "silu",
    gatedMlp: true,
    positions: "rotary",
    attnBias: false,
    mlpBias: false,
    unembedBias: false,
  } as const;
  await saveModel(Model.fromConfig({ ...sizes, ...llama }, { seed: 1 }), source, { format: "safetensors" });
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("tritlens convert", () => {
  it("writes ternary blocks and a report that says what was lost", async () => {
    const target = join(scratch, "out.gguf");
    const { code, out, err } = await run(source, target, "--to", "ternary", "--method", "twnExact", "--granularity", "row", "--type", "tq1_0");
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/^LOSSY: .*train with the quantiser/);
    expect(out).toMatch(/blocks\.0\.mlp\.W_out +256 x 512/);
    const report = JSON.parse(readFileSync(`${target}.report.json`, "utf8"));
    expect(report).toMatchObject({
      format: "gguf",
      architecture: "llama",
      notes: [],
      conversion: { lossy: true, options: { method: "twnExact", granularity: "row" } },
    });
    expect(report.conversion.layers.length).toBe(7);
    expect(report.tensors.find((t: { name: string }) => t.name === "blk.0.ffn_up.weight").type).toBe("TQ1_0");
    using back = await Model.fromPretrained(target);
    expect(back.layers).toBe(1);
  });

  it("writes a packed folder, and changes formats without loss", async () => {
    const packed = join(scratch, "packed");
    expect((await run(source, packed, "--to", "ternary")).code).toBe(0);
    expect(JSON.parse(readFileSync(join(packed, "config.json"), "utf8")).quantization_config.quantization_mode).toBe("offline");
    expect(existsSync(join(packed, "conversion.json"))).toBe(true);
    const gguf = join(scratch, "packed.gguf");
    const { code, out } = await run(packed, gguf, "--to", "gguf");
    expect(code).toBe(0);
    expect(out).not.toMatch(/LOSSY/);
    using a = await Model.fromPretrained(packed);
    using b = await Model.fromPretrained(gguf);
    expect(b.forward([[1, 2, 3]]).data).toEqual(a.forward([[1, 2, 3]]).data);
  });

  it.each([
    [["--to", "gguf"], "ends in .gguf"],
    [["--to", "ternary", "--method", "sign"], "E_RANGE: wrong method for"],
    [["--to", "ternary", "--type", "tq2_0"], "--type goes with GGUF files"],
    [["--to", "int4"], "Allowed choices are"],
    [["--to", "ternary", "--layers", "x"], "expected a whole number"],
    [["--to", "ternary", "--layers", "5"], "E_RANGE: no block is left to convert"],
    [[], "required option '--to <what>'"],
  ])("%j is wrong usage", async (argv, message) => {
    const target = join(scratch, "never");
    const { code, err } = await run(source, target, ...argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(existsSync(target)).toBe(false);
  });

  it("compares what it wrote with what it was made from, on tokens and on text", async () => {
    const target = join(scratch, "compared.gguf");
    const text = join(scratch, "text.txt");
    writeFileSync(text, "abc cab bac ".repeat(20));
    expect((await run(source, target, "--to", "ternary", "--text", text)).err).toContain("E_RANGE: --text needs a tokenizer");
    expect((await run(source, target, "--to", "ternary")).code).toBe(0);
    const svg = join(scratch, "compared.svg");
    const { code, out } = await compare(source, target, "--tokens", "1,2,3,4", "--svg", svg);
    expect(code).toBe(0);
    expect(out).toMatch(/blocks\.0\.attn\.hook_pattern +0\.9/);
    expect(readFileSync(svg, "utf8")).toMatch(/^<svg/);
    const same = JSON.parse((await compare(source, source, "--tokens", "1,2,3", "--json", "--names", "hook_embed")).out);
    expect(same).toMatchObject({ logits: { kl: 0, top1: 1 }, sites: [{ name: "hook_embed", relativeError: 0 }] });
    expect((await compare(source, target)).err).toContain("expected --text FILE or --tokens LIST, found neither");
    // With a tokenizer beside the weights, text will do.
    const letters = Object.fromEntries([..."abcĠ"].map((c, i) => [c, i]));
    const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: true };
    const tokenizer = { model: { type: "BPE", vocab: letters, merges: [] }, pre_tokenizer: bytes, decoder: { type: "ByteLevel" }, added_tokens: [] };
    writeFileSync(join(source, "tokenizer.json"), JSON.stringify(tokenizer));
    expect((await compare(source, target, "--text", text)).out).toMatch(/of 240 rows/);
    expect((await run(source, target, "--to", "ternary", "--force", "--text", text)).out).toMatch(/on 240 rows of given tokens/);
    rmSync(join(source, "tokenizer.json"));
  });

  it("does not write over what is there unless told to", async () => {
    const target = join(scratch, "again.gguf");
    expect((await run(source, target, "--to", "gguf", "--dtype", "bf16")).code).toBe(0);
    const { code, err } = await run(source, target, "--to", "gguf");
    expect([code, err]).toEqual([2, expect.stringContaining("exists already")]);
    expect((await run(source, target, "--to", "gguf", "--force")).code).toBe(0);
  });
});
