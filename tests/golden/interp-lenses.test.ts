/** The logit lens and direct logit attribution against TransformerLens 2.16.1 (generate/interp.py), on both backends. */
import { readFileSync } from "node:fs";
import { configFromTransformerLens, decodeInts, type FlatTokens, loadCore, Model, type StoredTensor, Tensor } from "tritlens";
import { type DirectLogits, directLogitAttribution, logitLens } from "tritlens/interp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

/** Largest difference relative to the largest entry, as the issue asks. */
const TOL = 1e-4;

type Case = { config: Record<string, unknown>; labels: { decompose_resid: string[]; stack_head_results: string[] } };
const index = JSON.parse(readFileSync(`${ORACLES}/interp/index.json`, "utf8")) as Record<string, Case>;

const ints = (file: ReadonlyMap<string, StoredTensor>, name: string): FlatTokens => {
  const stored = file.get(name) as StoredTensor;
  return { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
};

/** Parts by label, [component, batch], as the oracle orders them. */
function rowsOf({ labels, values }: DirectLogits, wanted: readonly string[]): Tensor {
  const batch = values.shape[1] as number;
  const rows = wanted.map((label) => {
    expect(labels).toContain(label);
    return values.slice("component", labels.indexOf(label)).data;
  });
  return Tensor.from(Float32Array.from(rows.flatMap((row) => [...row])), [wanted.length, batch]);
}

describe.each(["native", "wasm"] as const)("on %s", (backend) => {
  describe.each(Object.entries(index))("%s", (name, { config, labels }) => {
    const file = oracle(`interp/${name}.safetensors`);
    const clean = ints(file, "clean");
    const logits = get(file, "logits_clean");
    const [batch, pos, classes] = logits.shape as unknown as [number, number, number];
    const [answers, foils] = [[...ints(file, "answer").data], [...ints(file, "foil").data]];
    let model: Model;

    beforeAll(async () => {
      model = Model.fromConfig(configFromTransformerLens(config), { core: await loadCore({ backend }) });
      model.loadStateDict(new Map([...file.keys()].filter((n) => n.startsWith("param.")).map((n) => [n.slice("param.".length), get(file, n)])));
    });
    afterAll(() => model.dispose());

    it("the lens ends with the logits", async () => {
      const lens = await logitLens(model, clean, { track: Array.from({ length: classes }, (_, c) => c) });
      const expected = logits.data.slice();
      for (let at = 0; at < expected.length; at += classes) {
        const row = logits.data.subarray(at, at + classes);
        const lse = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
        for (let c = 0; c < classes; c++) expected[at + c] -= lse;
      }
      expectClose("log probabilities", lens.trackedLogProbs.slice("layer", -1), Tensor.from(expected, [batch, pos, classes]), TOL);
    });

    it("parts add up to the difference of the logits", () => {
      const expected = answers.map((a, b) => logits.at(b, -1, a) - logits.at(b, -1, foils[b] as number));
      for (const by of ["layer", "head"] as const) {
        const { values } = directLogitAttribution(model, clean, { answers, foils, by });
        const sums = expected.map((_, b) => values.slice("batch", b).data.reduce((sum, x) => sum + x, 0));
        expectClose(by, Tensor.from(Float32Array.from(sums), [batch]), Tensor.from(Float32Array.from(expected), [batch]), TOL);
      }
    });

    it("parts are TransformerLens's, which leaves the gain of the final norm to folding", () => {
      const norm = ["ln_final.w", "ln_final.b"].filter((n) => model.paramNames.includes(n));
      const kept = norm.map((n) => model.readParam(n).data);
      for (const n of norm) model.writeParam(n, new Float32Array(model.readParam(n).size).fill(n.endsWith("w") ? 1 : 0));
      const of = (by: "layer" | "head"): DirectLogits => directLogitAttribution(model, clean, { answers, foils, by });
      const [layers, heads] = [of("layer"), of("head")];
      for (const [i, n] of norm.entries()) model.writeParam(n, kept[i] as Float32Array);
      expectClose("layers", rowsOf(layers, labels.decompose_resid), get(file, "logit_attrs_decompose"), TOL);
      expectClose("heads", rowsOf(heads, labels.stack_head_results), get(file, "logit_attrs_heads"), TOL);
    });
  });
});
