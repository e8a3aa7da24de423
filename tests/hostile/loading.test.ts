/** Rows of table G that open, and from which no model or tokenizer can be built. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Core, Model } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { coreUnderTest } from "../conformance/support.ts";
import { TABLE_G, tinyLlama } from "./gguf.ts";
import { costOf } from "./measure.ts";

let folder = "";
let core: Core;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tritlens-hostile-"));
  core = await coreUnderTest();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What each refusal names. */
const SAYS: Readonly<Record<string, RegExp>> = {
  "66_layer_index_huge": /^E_NAME.*lacks tensor "blk\.0\.attn_norm\.weight"/,
  "67_block_count_0": /^E_SPEC.*llama\.block_count.*found 0$/,
  "68_block_count_2p31": /^E_SPEC.*llama\.block_count.*found 2147483648$/,
  "71_arr_elem_type": /^E_FORMAT.*tokenizer\.ggml\.scores.*FLOAT32.*INT8/,
  "73_tokens_scores_len": /^E_FORMAT.*tokenizer\.ggml\.scores.*4 numbers.*found 1$/,
};

function written(bytes: Uint8Array): string {
  const path = join(folder, "model.gguf");
  writeFileSync(path, bytes);
  return path;
}

const load = (path: string): Promise<Model> => Model.fromPretrained(path, { core });

describe("table G, loaded", () => {
  it("the same model without a fault loads and runs", async () => {
    using model = await load(written(tinyLlama()));
    expect(model.runWithCache([[1, 3]], { names: [] }).logits.shape).toEqual([1, 2, 4]);
  });

  it("a NaN among the hyper-parameters is refused", async () => {
    await expect(load(written(tinyLlama({ epsilon: Number.NaN })))).rejects.toThrow(/^E_SPEC.*layer_norm_rms_epsilon/);
  });

  const rows = TABLE_G.filter((row) => row.verdict === "model" || row.verdict === "tokenizer");
  it("has the study's five rows", () => expect(rows.map((row) => row.id)).toEqual(Object.keys(SAYS)));
  it.each(rows.map((row) => [row.id, row.verdict, row] as const))("refuses %s when the %s is built", async (id, _, row) => {
    const bytes = row.bytes();
    const path = written(bytes);
    await expect(load(path)).rejects.toMatchObject({ name: "TritlensError", message: expect.stringMatching(SAYS[id] as RegExp) });
    const cost = await costOf(bytes, () => load(path));
    expect(cost.milliseconds, "milliseconds").toBeLessThan(50);
    expect(cost.allocated, "bytes of typed arrays").toBeLessThan(1 << 20);
    expect(cost.heap, "bytes of heap").toBeLessThan(1 << 20);
  });
});
