/** The cache's verbs against TransformerLens 2.16.1 (generate/interp.py), on both backends. */
import { readFileSync } from "node:fs";
import { type ActivationCache, configFromTransformerLens, decodeInts, type FlatTokens, loadCore, Model, type StoredTensor } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

/** Largest difference relative to the largest entry, as the issue asks. */
const TOL = 1e-4;

interface Case {
  readonly config: Record<string, unknown>;
  readonly labels: Record<string, string[]>;
}

const index = JSON.parse(readFileSync(`${ORACLES}/interp/index.json`, "utf8")) as Record<string, Case>;

const ints = (file: ReadonlyMap<string, StoredTensor>, name: string): FlatTokens => {
  const stored = file.get(name) as StoredTensor;
  return { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
};

it("has cases", () => expect(Object.keys(index).length).toBeGreaterThan(0));

describe.each(["native", "wasm"] as const)("on %s", (backend) => {
  describe.each(Object.entries(index))("%s", (name, { config, labels }) => {
    const file = oracle(`interp/${name}.safetensors`);
    const attrs = { tokens: [...ints(file, "answer").data], incorrectTokens: [...ints(file, "foil").data], posSlice: -1 };
    let model: Model;
    let cache: ActivationCache;

    beforeAll(async () => {
      model = Model.fromConfig(configFromTransformerLens(config), { core: await loadCore({ backend }) });
      model.loadStateDict(new Map([...file.keys()].filter((n) => n.startsWith("param.")).map((n) => [n.slice("param.".length), get(file, n)])));
      const run = model.runWithCache(ints(file, "clean"));
      expectClose("logits", run.logits, get(file, "logits_clean"), TOL);
      cache = run.cache;
    });
    afterAll(() => model.dispose());

    it("accumulatedResid", () => {
      const found = cache.accumulatedResid(-1, { inclMid: model.config?.attnOnly === false, applyLn: true });
      expect(found.labels).toEqual(labels.accumulated_resid);
      expectClose("accumulated_resid", found.tensor, get(file, "accumulated_resid"), TOL);
    });
    it("decomposeResid", () => {
      const found = cache.decomposeResid(-1, { mode: model.config?.attnOnly ? "attn" : "all" });
      expect(found.labels).toEqual(labels.decompose_resid);
      expectClose("decompose_resid", found.tensor, get(file, "decompose_resid"), TOL);
    });
    it("stackHeadResults", () => {
      const found = cache.stackHeadResults();
      expect(found.labels).toEqual(labels.stack_head_results);
      expectClose("stack_head_results", found.tensor, get(file, "stack_head_results"), TOL);
    });
    it("logitAttrs", () => {
      const parts = cache.decomposeResid(-1, { mode: model.config?.attnOnly ? "attn" : "all", posSlice: -1 });
      expectClose("decompose", cache.logitAttrs(parts, attrs).tensor, get(file, "logit_attrs_decompose"), TOL);
      const heads = cache.stackHeadResults(-1, { posSlice: -1 });
      expectClose("heads", cache.logitAttrs(heads, attrs).tensor, get(file, "logit_attrs_heads"), TOL);
      expectClose("a bare tensor", cache.logitAttrs(heads.tensor, attrs).tensor, get(file, "logit_attrs_heads"), TOL);
    });
  });
});
