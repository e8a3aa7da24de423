import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { main } from "./main.ts";

const MODEL = fileURLToPath(new URL("../../../../tests/golden/huggingface/bitnet_offline", import.meta.url));

async function inspect(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await main(["inspect", ...argv], { out: { write: (s) => (out += s) }, err: { write: (s) => (err += s) } });
  return { code, out, err };
}

describe("tritlens inspect", () => {
  it("tells architecture, formats, bits, zeros and memory", async () => {
    const { code, out } = await inspect(MODEL);
    expect(code).toBe(0);
    expect(out).toMatch(/architecture +bitnet, safetensors/);
    expect(out).toMatch(/layers +2 of 4 heads \(2 of keys and values\) of 16/);
    expect(out).toMatch(/zeros +31\.0 % of the packed weights/);
    expect(out).toMatch(/blocks\.\*\.attn\.W_Q +2 x +\[64, 64\] +U8 +ternary2 .*30\.4 %/);
    expect(out).toMatch(/memory for a prompt of 64 tokens[\s\S]*in all +[\d.]+ [kM]B/);
  });

  it("reads headers only when asked, and gives JSON", async () => {
    const { out } = await inspect(MODEL, "--no-scan", "--json");
    const found = JSON.parse(out);
    expect(found).toMatchObject({ architecture: "bitnet", parameters: 68224, config: { nLayers: 2, subNorm: true } });
    expect(found.zeros).toBeUndefined();
    expect(found.memory.total).toBe(found.memory.weights + found.memory.cache + found.memory.activations + found.memory.captures);
  });

  it("says what is wrong, in one line", async () => {
    const { code, err } = await inspect(`${MODEL}/expected.safetensors`);
    expect(code).toBe(2);
    expect(err).toMatch(/^E_NAME: .*lacks tensor.*\n$/);
  });
});
