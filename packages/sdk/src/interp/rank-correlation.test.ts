import { expect, it } from "vitest";
import { spearman } from "./rank-correlation.ts";

it("is 1 for any rising relation, -1 for any falling one", () => {
  expect(spearman([1, 2, 3, 4], [1, 10, 100, 1000])).toBeCloseTo(1, 12);
  expect(spearman([1, 2, 3, 4], [4, 3, 2, -9])).toBeCloseTo(-1, 12);
});
it("shares ranks among ties and leaves out NaN", () => {
  // Ranks 1, 2.5, 2.5, 4, 5 and 2, 1, 4.5, 4.5, 3: covariance 3.75, variances 9.5.
  expect(spearman([1, 2, 2, 3, 5, Number.NaN], [2, 1, 4, 4, 3, 7])).toBeCloseTo(3.75 / 9.5, 12);
});
it("is NaN where there is nothing to rank, and refuses lists of different lengths", () => {
  expect(spearman([1], [1])).toBeNaN();
  expect(spearman([1, 1], [1, 2])).toBeNaN();
  expect(() => spearman([1], [1, 2])).toThrow(/E_SHAPE/);
});
