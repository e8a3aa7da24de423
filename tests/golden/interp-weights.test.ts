/** Analyses of weights and head detectors against TransformerLens 2.16.1, on three architectures and both backends. */
import { readFileSync } from "node:fs";
import { type Core, configFromTransformerLens, decodeInts, loadCore, Model, type StoredTensor } from "tritlens";
import { allCompositionScores, detectHead, HEAD_NAMES, ovCircuit, qkCircuit } from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

const TOLERANCE = 1e-4;
const index = JSON.parse(readFileSync(`${ORACLES}/interp/index.json`, "utf8")) as Record<string, { config: Record<string, unknown> }>;

function open(name: string, core: Core) {
  const file = oracle(`interp/${name}.safetensors`);
  const model = Model.fromConfig(configFromTransformerLens((index[name] as { config: Record<string, unknown> }).config), { core });
  model.loadStateDict(new Map([...file.keys()].filter((n) => n.startsWith("param.")).map((n) => [n.slice(6), get(file, n)])));
  return { file, model };
}

describe.each(["native", "wasm"] as const)("%s", (backend) => {
  let core: Core;
  beforeAll(async () => {
    core = await loadCore({ backend });
    expect(core.backend).toBe(backend);
  });
  describe.each(Object.keys(index))("%s", (name) => {
    it.each(["Q", "K", "V"] as const)("%s-composition", (kind) => {
      const { file, model } = open(name, core);
      expectClose("composition", allCompositionScores(model, kind).scores, get(file, `composition.${kind}`), TOLERANCE);
      model.dispose();
    });
    it("spectra of circuits", () => {
      const { file, model } = open(name, core);
      const [ov, qk] = [ovCircuit(model), qkCircuit(model)];
      expectClose("OV.S", ov.S, get(file, "OV.S"), TOLERANCE);
      expectClose("QK.S", qk.S, get(file, "QK.S"), TOLERANCE);
      expectClose("OV.eigen_abs_sorted", ov.eigenvalues.abs, get(file, "OV.eigen_abs_sorted"), TOLERANCE);
      model.dispose();
    });
    it.each(HEAD_NAMES.flatMap((kind) => (["mul", "abs"] as const).map((measure) => [kind, measure] as const)))("%s by %s", (kind, errorMeasure) => {
      const { file, model } = open(name, core);
      const stored = file.get("repeat_tokens") as StoredTensor;
      const tokens = { data: decodeInts(stored.dtype, stored.bytes), shape: stored.shape };
      expectClose("scores", detectHead(model, tokens, kind, { errorMeasure }).scores, get(file, `heads.${kind}.${errorMeasure}`), TOLERANCE);
      model.dispose();
    });
  });
});
