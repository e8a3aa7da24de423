/** Train/test splits of the papers (modadd/splits.json): names are PAPER_seedN_train, entries a * p + b with p = 113. */
import { readFileSync } from "node:fs";
import { modularAddition, type SplitKind } from "tritlens";
import { expect, it } from "vitest";
import { ORACLES } from "./support.ts";

const splits = JSON.parse(readFileSync(`${ORACLES}/modadd/splits.json`, "utf8")) as Record<string, number[]>;

it("has splits", () => expect(Object.keys(splits).length).toBeGreaterThan(0));

it.each(Object.entries(splits))("%s is reproduced exactly", (name, expected) => {
  const match = /^(li|nanda)_seed(\d+)_train$/.exec(name);
  expect(match, "PAPER_seedN_train").not.toBeNull();
  // Both papers train on 30 %; a set of another size says its own fraction by its length.
  const count = expected.length;
  const fraction = count === 3830 ? 0.3 : (count + 0.5) / 113 ** 2;
  const data = modularAddition({ p: 113, fraction, split: match?.[1] as SplitKind, seed: Number(match?.[2]) });
  expect([...data.trainIndices]).toEqual(expected);
});
