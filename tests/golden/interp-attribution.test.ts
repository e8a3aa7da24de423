/** Attribution patching of TransformerLens 2.16.1 (generate/interp.py): every activation of every architecture, on both backends. */
import { readFileSync } from "node:fs";
import { type Core, configFromTransformerLens, decodeInts, loadCore, Model, type StoredTensor } from "tritlens";
import { attributionPatch, eap, logitDiff, metricRun, type NodeAttribution } from "tritlens/interp";
import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, get, ORACLES, oracle } from "./support.ts";

const index = JSON.parse(readFileSync(`${ORACLES}/interp/index.json`, "utf8")) as Record<string, { config: Record<string, unknown> }>;
const cases = Object.keys(index).flatMap((name) => (["native", "wasm"] as const).map((backend) => [name, backend] as const));

describe.each(cases)("%s on %s", (name, backend) => {
  const file = oracle(`interp/${name}.safetensors`);
  const names = (kind: string): string[] => [...file.keys()].filter((n) => n.startsWith(kind)).map((n) => n.slice(kind.length));
  const ints = (n: string): Int32Array => {
    const { dtype, bytes } = file.get(n) as StoredTensor;
    return decodeInts(dtype, bytes);
  };
  const tokens = (n: string) => ({ data: ints(n), shape: (file.get(n) as StoredTensor).shape });
  const metric = logitDiff([...ints("answer")], [...ints("foil")]);
  let core: Core;
  let model: Model;
  let scores: NodeAttribution;

  beforeAll(async () => {
    core = await loadCore({ backend });
    model = Model.fromConfig(configFromTransformerLens((index[name] as { config: Record<string, unknown> }).config), { core });
    model.loadStateDict(new Map(names("param.").map((n) => [n, get(file, `param.${n}`)])));
    scores = attributionPatch(model, tokens("clean"), tokens("corrupt"), metric);
  });

  it("has the metric's value", () => {
    for (const which of ["clean", "corrupt"])
      expect(metricRun(model, tokens(which), metric, { names: "hook_embed" }).value).toBeCloseTo(get(file, `metric_${which}`).at(0), 4);
  });

  it("attribution.*", () => {
    expect(names("attribution.").length).toBeGreaterThan(0);
    for (const hook of names("attribution.")) expectClose(hook, scores.get(hook), get(file, `attribution.${hook}`), 1e-4);
  });

  it("edges into the logits and nodes agree where nothing stands between: the sum over edges of a sender's z", () => {
    // The score of a head's z is the sum of its edges' scores times what follows; of the last block without an MLP it is exactly the edge into the logits.
    if (!model.config?.attnOnly) return;
    const last = model.layers - 1;
    const edges = eap(model, tokens("clean"), tokens("corrupt"), metric, { into: "corrupted" });
    const z = scores.summed("attn.hook_z", ["head"]);
    for (let head = 0; head < model.config.nHeads; head++) expect(edges.get(`a${last}.h${head}->logits`)).toBeCloseTo(z.at(last, head), 4);
  });
});
