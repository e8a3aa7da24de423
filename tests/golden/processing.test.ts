/** Weight processing on TransformerLens's models: the function stays, and the weights are those of TransformerLens's formulas, worked out here in its own shapes. */
import { readFileSync } from "node:fs";
import {
  centerUnembed,
  centerWritingWeights,
  configFromTransformerLens,
  decodeInts,
  foldLn,
  loadCore,
  Model,
  type StoredTensor,
  Tensor,
} from "tritlens";
import { beforeAll, describe, expect, it } from "vitest";
import { ACT_TOL, difference, get, ORACLES, oracle } from "./support.ts";

const index = JSON.parse(readFileSync(`${ORACLES}/transformerlens/index.json`, "utf8")) as Record<string, { config: Record<string, unknown> }>;
/** What TransformerLens refuses or computes otherwise. */
const POSITIONS_BEHIND_NORM = "shortformer";

beforeAll(async () => {
  await loadCore();
});

function open(name: string): { model: Model; tokens: { data: Int32Array; shape: readonly number[] } } {
  const file = oracle(`transformerlens/${name}.safetensors`);
  const model = Model.fromConfig(configFromTransformerLens((index[name] as { config: Record<string, unknown> }).config));
  const params = [...file.keys()].filter((n) => n.startsWith("param."));
  const values = new Map(params.map((n) => [n.slice(6), get(file, n)]));
  // The oracle's gains may all be 1: make every norm count.
  for (const [n, t] of values)
    if (/ln\w*\.[wb]$/.test(n))
      values.set(
        n,
        Tensor.from(
          t.data.map((x, i) => x + 0.3 * Math.sin(i + n.length)),
          t.shape,
        ),
      );
  model.loadStateDict(values);
  const stored = file.get("tokens") as StoredTensor;
  return { model, tokens: { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape } };
}

/** Log-softmax over the last axis, in f64. */
function logProbs(logits: Tensor): Float64Array {
  const classes = logits.shape.at(-1) as number;
  const out = Float64Array.from(logits.data);
  for (let at = 0; at < out.length; at += classes) {
    const row = out.subarray(at, at + classes);
    const top = Math.max(...row);
    const sum = Math.log(row.reduce((s, x) => s + Math.exp(x - top), 0)) + top;
    for (let i = 0; i < classes; i++) row[i] = (row[i] as number) - sum;
  }
  return out;
}

const centred = (kind: string): boolean => kind === "LN" || kind === "LNPre";

describe.each(Object.keys(index))("%s", (name) => {
  it("foldLn keeps the logits and leaves norms without parameters", () => {
    const { model, tokens } = open(name);
    const c = model.config as NonNullable<typeof model.config>;
    if (c.positions === POSITIONS_BEHIND_NORM && model.paramNames.some((n) => n.endsWith("ln1.w"))) {
      expect(() => foldLn(model)).toThrow(/E_MODE.*positions/);
      return;
    }
    const folded = foldLn(model);
    expect(difference(folded.forward(tokens).data, model.forward(tokens).data)).toBeLessThanOrEqual(ACT_TOL);
    expect(folded.paramNames.filter((n) => /ln\w*\.[wb]$/.test(n))).toEqual([]);
  });

  it("centerWritingWeights keeps the logits, or refuses", () => {
    const { model, tokens } = open(name);
    const c = model.config as NonNullable<typeof model.config>;
    if (!centred(c.normalization) || !centred(c.finalNorm)) {
      expect(() => centerWritingWeights(model)).toThrow(/E_MODE.*would change/);
      return;
    }
    const centre = centerWritingWeights(model);
    expect(difference(centre.forward(tokens).data, model.forward(tokens).data)).toBeLessThanOrEqual(ACT_TOL);
    const resid = centre.runWithCache(tokens, { names: "blocks.0.hook_resid_post" }).cache.get("blocks.0.hook_resid_post");
    const means = Array.from(
      { length: resid.size / c.dModel },
      (_, r) => resid.data.subarray(r * c.dModel, (r + 1) * c.dModel).reduce((a, b) => a + b, 0) / c.dModel,
    );
    expect(Math.max(...means.map(Math.abs))).toBeLessThan(1e-5 * Math.max(...resid.data.map(Math.abs)));
  });

  it("centerUnembed keeps the log-probabilities and centres the logits", () => {
    const { model, tokens } = open(name);
    const [before, after] = [model.forward(tokens), centerUnembed(model).forward(tokens)];
    expect(difference(logProbs(after), logProbs(before))).toBeLessThanOrEqual(ACT_TOL);
    const classes = after.shape.at(-1) as number;
    const mean = after.data.subarray(0, classes).reduce((a, b) => a + b, 0) / classes;
    expect(Math.abs(mean)).toBeLessThan(1e-5 * Math.max(...after.data.map(Math.abs)));
  });
});

/** An element of a tensor as a function of its indices, for formulas that read as TransformerLens's. */
const all = (t: Tensor, of: (...i: number[]) => number): number[] => {
  const out: number[] = [];
  const walk = (index: number[]): void => {
    if (index.length === t.shape.length) out.push(of(...index));
    else for (let i = 0; i < (t.shape[index.length] as number); i++) walk([...index, i]);
  };
  walk([]);
  return out;
};
const sum = (n: number, of: (i: number) => number): number => Array.from({ length: n }, (_, i) => of(i)).reduce((a, b) => a + b, 0);

describe("TransformerLens's formulas", () => {
  const name = Object.keys(index).find((n) => (index[n] as { config: { normalization_type?: string } }).config.normalization_type === "LN") as string;

  it("fold_layer_norm: W_Q = W_Q ln.w minus its mean over d_model, b_Q += W_Q ln.b, and the same for W_in and W_U", () => {
    const { model } = open(name);
    const folded = foldLn(model);
    const d = (model.config as { dModel: number }).dModel;
    const at = "blocks.0.";
    const [wQ, bQ, w, b] = [model.weight(`${at}attn.W_Q`), model.weight(`${at}attn.b_Q`), model.weight(`${at}ln1.w`), model.weight(`${at}ln1.b`)];
    const scaled = (h: number, m: number, e: number): number => wQ.at(h, m, e) * w.at(m);
    const expectQ = all(wQ, (h, m, e) => scaled(h as number, m as number, e as number) - sum(d, (k) => scaled(h as number, k, e as number)) / d);
    expect(difference(folded.weight(`${at}attn.W_Q`).data, expectQ)).toBeLessThan(1e-6);
    const expectB = all(bQ, (h, e) => bQ.at(h as number, e as number) + sum(d, (m) => wQ.at(h as number, m, e as number) * b.at(m)));
    expect(difference(folded.weight(`${at}attn.b_Q`).data, expectB)).toBeLessThan(1e-6);
    const [wU, bU, fw, fb] = [model.weight("unembed.W_U"), model.weight("unembed.b_U"), model.weight("ln_final.w"), model.weight("ln_final.b")];
    const expectU = all(wU, (m, v) => wU.at(m as number, v as number) * fw.at(m as number) - sum(d, (k) => wU.at(k, v as number) * fw.at(k)) / d);
    expect(difference(folded.weight("unembed.W_U").data, expectU)).toBeLessThan(1e-6);
    const expectBU = all(bU, (v) => bU.at(v as number) + sum(d, (m) => wU.at(m, v as number) * fb.at(m)));
    expect(difference(folded.weight("unembed.b_U").data, expectBU)).toBeLessThan(1e-6);
  });

  it("center_writing_weights: W_O -= mean over d_model, b_O -= mean, W_E -= mean over d_model", () => {
    const { model } = open(name);
    const centre = centerWritingWeights(model);
    const d = (model.config as { dModel: number }).dModel;
    const [wO, wE] = [model.weight("blocks.1.attn.W_O"), model.weight("embed.W_E")];
    const expectO = all(wO, (h, e, m) => wO.at(h as number, e as number, m as number) - sum(d, (k) => wO.at(h as number, e as number, k)) / d);
    expect(difference(centre.weight("blocks.1.attn.W_O").data, expectO)).toBeLessThan(1e-6);
    const expectE = all(wE, (v, m) => wE.at(v as number, m as number) - sum(d, (k) => wE.at(v as number, k)) / d);
    expect(difference(centre.weight("embed.W_E").data, expectE)).toBeLessThan(1e-6);
  });

  it("center_unembed: W_U -= mean over the vocabulary", () => {
    const { model } = open(name);
    const wU = model.weight("unembed.W_U");
    const classes = wU.shape[1] as number;
    const expected = all(wU, (m, v) => wU.at(m as number, v as number) - sum(classes, (k) => wU.at(m as number, k)) / classes);
    expect(difference(centerUnembed(model).weight("unembed.W_U").data, expected)).toBeLessThan(1e-6);
  });

  it("refuses quantised weights", () => {
    const { model } = open(name);
    const quantised = Model.fromConfig({ ...(model.config as NonNullable<typeof model.config>), quantizer: "ternary" });
    for (const call of [foldLn, centerWritingWeights, centerUnembed]) expect(() => call(quantised)).toThrow(/E_MODE.*low-bit.*ternary in "blocks/);
  });
});
