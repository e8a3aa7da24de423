/**
 * Every checkpoint NAME of the folder modadd: NAME.safetensors, NAME.json (mode, p, training pairs) and NAME.expected.json (numbers of the reference analysis,
 * generate/analyze_modadd.py). Other cases of the same form: point TRITLENS_ORACLES to their folder.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { analyzeActivations } from "tritlens/interp";
import { describe, expect, test } from "vitest";
import { differences, type Json } from "./support/compare.ts";
import { LiModel } from "./support/li-model.ts";
import { readSafetensors } from "./support/safetensors.ts";

const folder = join(process.env.TRITLENS_ORACLES ?? fileURLToPath(new URL(".", import.meta.url)), "modadd");
const ending = ".expected.json";
const cases = readdirSync(folder)
  .filter((file) => file.endsWith(ending))
  .map((file) => file.slice(0, -ending.length));

/** What a run's JSON says. */
interface Run {
  args: { mode: string; p: number };
  train: number[];
}

const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));

test("there are cases", () => expect(cases.length).toBeGreaterThan(0));

describe.each(cases)("%s", (name) => {
  const run = json(`${name}.json`) as Run;
  const expected = json(`${name}${ending}`) as Json;
  const model = new LiModel(run.args.mode, run.args.p, readSafetensors(join(folder, `${name}.safetensors`)), run.train);

  test("the analysis of f64 activations gives the reference's numbers", async () => {
    const found = await analyzeActivations(model.activations(), { ablations: false, circles: false }, model);
    expect(differences(expected, found)).toEqual([]);
  });
});
