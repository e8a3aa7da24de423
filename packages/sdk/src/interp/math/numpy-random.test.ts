import { expect, test } from "vitest";
import { NumpyRandom } from "./numpy-random.ts";

// The numbers are the first of the reference analysis's gradient_triples (numpy 2); the golden test compares all 300.
test("integers equal numpy.random.default_rng(0).integers(0, 113, (100, 3))", () => {
  const random = new NumpyRandom(0);
  const drawn = Array.from({ length: 12 }, () => random.integer(113));
  expect(drawn).toEqual([96, 71, 57, 30, 34, 4, 8, 1, 19, 91, 73, 103]);
});

test("uniform numbers equal numpy.random.default_rng(0).random()", () => {
  expect(new NumpyRandom(0).uniform()).toBe(0.6369616873214543);
});
