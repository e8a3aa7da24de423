/** Activation patching against TransformerLens 2.16.1 (generate/interp.py): every function that the oracle ran, on both backends. */
import { readFileSync } from "node:fs";
import { type ActivationCache, configFromTransformerLens, decodeInts, type FlatTokens, loadCore, Model, type StoredTensor } from "tritlens";
import * as interp from "tritlens/interp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

/** Largest difference relative to the largest entry, as the issue asks. */
const TOL = 1e-4;

const index = JSON.parse(readFileSync(`${ORACLES}/interp/index.json`, "utf8")) as Record<string, { config: Record<string, unknown> }>;

/** The oracle's names of the functions. */
const FUNCTIONS: ReadonlyMap<string, typeof interp.getActPatchResidPre> = new Map([
  ["resid_pre", interp.getActPatchResidPre],
  ["resid_mid", interp.getActPatchResidMid],
  ["attn_out", interp.getActPatchAttnOut],
  ["mlp_out", interp.getActPatchMlpOut],
  ["attn_head_out_by_pos", interp.getActPatchAttnHeadOutByPos],
  ["attn_head_q_by_pos", interp.getActPatchAttnHeadQByPos],
  ["attn_head_k_by_pos", interp.getActPatchAttnHeadKByPos],
  ["attn_head_v_by_pos", interp.getActPatchAttnHeadVByPos],
  ["attn_head_pattern_by_pos", interp.getActPatchAttnHeadPatternByPos],
  ["attn_head_pattern_dest_src_pos", interp.getActPatchAttnHeadPatternDestSrcPos],
  ["attn_head_out_all_pos", interp.getActPatchAttnHeadOutAllPos],
  ["attn_head_q_all_pos", interp.getActPatchAttnHeadQAllPos],
  ["attn_head_k_all_pos", interp.getActPatchAttnHeadKAllPos],
  ["attn_head_v_all_pos", interp.getActPatchAttnHeadVAllPos],
  ["attn_head_pattern_all_pos", interp.getActPatchAttnHeadPatternAllPos],
]);

const ints = (file: ReadonlyMap<string, StoredTensor>, name: string): FlatTokens => {
  const stored = file.get(name) as StoredTensor;
  return { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
};

describe.each(["native", "wasm"] as const)("on %s", (backend) => {
  describe.each(Object.entries(index))("%s", (name, { config }) => {
    const file = oracle(`interp/${name}.safetensors`);
    const patches = [...file.keys()].filter((n) => n.startsWith("patch.")).map((n) => n.slice("patch.".length));
    const corrupt = ints(file, "corrupt");
    const metric = interp.logitDiff([...ints(file, "answer").data], [...ints(file, "foil").data]);
    let model: Model;
    let cache: ActivationCache;

    beforeAll(async () => {
      model = Model.fromConfig(configFromTransformerLens(config), { core: await loadCore({ backend }) });
      model.loadStateDict(new Map([...file.keys()].filter((n) => n.startsWith("param.")).map((n) => [n.slice("param.".length), get(file, n)])));
      cache = model.runWithCache(ints(file, "clean")).cache;
    });
    afterAll(() => model.dispose());

    it("has patches", () => expect(patches.length).toBeGreaterThan(0));
    it.each(patches)("%s", async (patch) => {
      const run = FUNCTIONS.get(patch);
      if (!run) throw new Error(`the oracle has a patch that nothing here does: ${patch}`);
      const found = await run(model, corrupt, cache, metric);
      expect(found.complete).toBe(true);
      expectClose(patch, found.values, get(file, `patch.${patch}`), TOL);
      expect(Math.abs(found.corrupt - (get(file, "metric_corrupt").data[0] as number))).toBeLessThan(TOL);
    });
  });
});
