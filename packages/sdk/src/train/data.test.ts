import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dataFromDescription, modularAddition } from "./data.ts";
import { Mt19937 } from "./mt19937.ts";

const splits = JSON.parse(readFileSync(new URL("../../../../tests/golden/modadd/splits.json", import.meta.url), "utf8")) as Record<string, number[]>;

describe("Mt19937", () => {
  it("gives the reference implementation's first words", () => {
    // mt19937ar.out: init_by_array({0x123, ...}) is not needed here; 5489 is the reference's default seed.
    const mt = Mt19937.fromSeed(5489);
    expect([mt.u32(), mt.u32(), mt.u32()]).toEqual([3499211612, 581869302, 3890346734]);
  });
  it("seeds from two words as Python does", () => {
    // Python: random.seed(2**32 + 1); random.getrandbits(32), differs from seed 1.
    expect(Mt19937.fromPythonSeed(2 ** 32 + 1).u32()).not.toBe(Mt19937.fromPythonSeed(1).u32());
  });
});

describe("modularAddition", () => {
  it("reproduces the stored splits exactly", () => {
    // Names are PAPER_seedN_train, so further splits of the same form are found by themselves.
    for (const [name, expected] of Object.entries(splits)) {
      const match = /^(li|nanda)_seed(\d+)_train$/.exec(name);
      expect(match, name).not.toBeNull();
      const data = modularAddition({ p: 113, split: match?.[1] as "li" | "nanda", seed: Number(match?.[2]) });
      expect([...data.trainIndices]).toEqual(expected);
    }
    expect(Object.keys(splits).length).toBeGreaterThanOrEqual(2);
  });
  it("has the papers' seeds as defaults and every pair exactly once", () => {
    const li = modularAddition({ p: 113 });
    expect([li.trainIndices.length, li.testIndices.length]).toEqual([3830, 8939]);
    expect([...li.trainIndices.subarray(0, 3)]).toEqual([2404, 3488, 5321]);
    expect(modularAddition({ p: 113, split: "nanda" }).trainIndices[0]).toBe(18 * 113 + 34);
    expect(new Set([...li.trainIndices, ...li.testIndices]).size).toBe(113 * 113);
  });
  it("writes tokens [a, b, =] and classes (a + b) mod p", () => {
    const { all } = modularAddition({ p: 5 });
    expect([...all.tokens.data.subarray(3 * 13, 3 * 14)]).toEqual([2, 3, 5]);
    expect(all.targets[13]).toBe(0);
    expect(all.tokens.shape).toEqual([25, 3]);
  });
  it("takes given indices and can be made again from its description", () => {
    const given = modularAddition({ p: 5, trainIndices: [7, 3, 24] });
    expect([...given.trainIndices]).toEqual([7, 3, 24]);
    expect(given.testIndices.length).toBe(22);
    expect([...dataFromDescription(given.description, given.trainIndices).testIndices]).toEqual([...given.testIndices]);
    const li = modularAddition({ p: 7, seed: 3, fraction: 0.5 });
    expect([...dataFromDescription(li.description).trainIndices]).toEqual([...li.trainIndices]);
  });
  it.each([
    [{ p: 2 }, /E_RANGE.*p/],
    [{ p: 3.5 }, /E_RANGE/],
    [{ p: 5, fraction: 0 }, /E_RANGE.*\(0, 1\).*found 0/],
    [{ p: 5, fraction: 1 }, /E_RANGE/],
    [{ p: 5, fraction: Number.NaN }, /E_RANGE/],
    [{ p: 3, fraction: 0.01 }, /E_RANGE.*nothing to train/],
    [{ p: 5, split: "lii" as never }, /E_NAME.*li/],
    [{ p: 5, seed: -1 }, /E_RANGE/],
    [{ p: 5, trainIndices: [1, 1] }, /E_RANGE.*distinct/],
    [{ p: 5, trainIndices: [25] }, /E_RANGE/],
    [{ p: 5, trainIndices: [] }, /E_RANGE/],
  ])("refuses %j", (options, error) => {
    expect(() => modularAddition(options)).toThrow(error);
  });
});
