/** What is no batch of tokens is refused, with the reason. */
import type { Model } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeOf, coreUnderTest, smallNanda } from "./support.ts";

let model: Model;
beforeAll(async () => {
  await coreUnderTest();
  model = smallNanda();
});
afterAll(() => model.dispose());

describe("tokens", () => {
  it.each([
    ["ragged", [[1, 2], [1]], "E_SHAPE"],
    ["empty", [], "E_SHAPE"],
    ["too long", [[1, 2, 3, 4]], "E_RANGE"],
    ["outside of the vocabulary", [[1, 2, 12]], "E_RANGE"],
    ["NaN", [[1, Number.NaN, 11]], "E_RANGE"],
    ["fractions", [[1, 0.5, 11]], "E_RANGE"],
    ["a shape that does not fit", { data: new Int32Array(4), shape: [2, 3] }, "E_SHAPE"],
  ] as const)("%s", (_, bad, code) => {
    expect(codeOf(() => model.forward(bad as never))).toBe(code);
  });
});
