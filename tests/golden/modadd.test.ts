/**
 * Every checkpoint NAME of the folder modadd: NAME.safetensors, NAME.json (mode, p, training pairs) and NAME.expected.json (numbers of the reference analysis,
 * generate/analyze_modadd.py). Other cases of the same form: point TRITLENS_ORACLES to their folder.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { liConfig, loadCore, type Mode, Model, type Tensor, toTensor } from "tritlens";
import { analyzeActivations, analyzeModAdd, loadModAddWeights } from "tritlens/interp";
import { describe, expect, test } from "vitest";
import { LiModel } from "../support/li-model.ts";
import { differences, type Json } from "./modadd-differences.ts";
import { ORACLES, oracle } from "./support.ts";

const ending = ".expected.json";
const cases = readdirSync(join(ORACLES, "modadd"))
  .filter((file) => file.endsWith(ending))
  .map((file) => file.slice(0, -ending.length));

/** What a run's JSON says. */
interface Run {
  args: { mode: Mode; p: number };
  train: number[];
}

const json = (file: string): unknown => JSON.parse(readFileSync(join(ORACLES, "modadd", file), "utf8"));

/** What this suite asks for; ablations and circles are not in the reference and would run the model again and again. */
const OPTIONS = { ablations: false, circles: false } as const;

test("there are cases", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases)("%s", (name) => {
  const { args, train } = json(`${name}.json`) as Run;
  const expected = json(`${name}${ending}`) as Json;
  const tensors = new Map<string, Tensor>([...oracle(`modadd/${name}.safetensors`)].map(([key, stored]) => [key, toTensor(stored)]));

  test("the model, run and analysed by tritlens, has the reference's numbers", async () => {
    await loadCore();
    using model = Model.fromConfig(liConfig({ p: args.p, mode: args.mode }));
    loadModAddWeights(model, tensors);
    expect(differences(expected, await analyzeModAdd(model, { ...OPTIONS, trainIndices: train }))).toEqual([]);
  });

  test("so have activations in f64 from a forward pass of the test's own", async () => {
    const model = new LiModel(args.mode, args.p, tensors, train);
    expect(differences(expected, await analyzeActivations(model.activations(), OPTIONS, model))).toEqual([]);
  });
});
