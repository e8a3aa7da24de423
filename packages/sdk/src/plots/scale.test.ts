import { expect, it } from "vitest";
import { cellFormat, extent, linearAxis, logAxis, shortText, tightAxis } from "./scale.ts";

const texts = (axis: { ticks: readonly { text: string }[] }): string[] => axis.ticks.map((t) => t.text);

it("has ticks at round numbers, inside of the axis", () => {
  expect(texts(linearAxis([0, 1], 5))).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  expect(texts(linearAxis([-0.2, 1], 6))).toEqual(["−0.2", "0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  expect(texts(tightAxis([0, 11], 6, true))).toEqual(["0", "2", "4", "6", "8", "10"]);
  expect(texts(tightAxis([0, 2], 10, true))).toEqual(["0", "1", "2"]);
  expect(texts(logAxis([0.5, 3000], 5))).toEqual(["1", "10", "100", "1000"]);
  expect(texts(logAxis([2, 7], 5))).toEqual(["2", "5"]);
});

it("places values between 0 and 1", () => {
  const axis = logAxis([1, 100], 3);
  expect(axis.place(10)).toBeCloseTo(0.5);
  expect(axis.place(0)).toBeNaN();
  expect(tightAxis([2, 4], 4).place(3)).toBeCloseTo(0.5);
});

it.each([[[5, 5]], [[0, 0]], [[-1e308, 1e308]], [[1e17, 1e17 + 16]], [[0, 5e-324]], [[-3, -3]]] as [[number, number]][])(
  "ends for the range %j",
  (range) => {
    for (const axis of [linearAxis(range, 5), tightAxis(range, 5)]) {
      expect(axis.ticks.length).toBeGreaterThan(0);
      expect(axis.ticks.length).toBeLessThan(20);
      expect(axis.place(range[0])).toBeGreaterThanOrEqual(-0.2);
      expect(axis.place(range[1])).toBeLessThanOrEqual(1.2);
    }
  },
);

it("finds the range of what is finite", () => {
  expect(extent([Number.NaN, 2, Number.NEGATIVE_INFINITY, -1])).toEqual([-1, 2]);
  expect(extent([0, -1, 4], true)).toEqual([4, 4]);
  expect(extent([Number.NaN])).toBeNull();
});

it("writes numbers in few characters", () => {
  expect([0, 0.5, -1.25, 1234.5, 123456, 1.23e-7, -2e12, Number.NaN].map(shortText)).toEqual([
    "0",
    "0.5",
    "−1.25",
    "1230",
    "123,456",
    "1.2e−7",
    "−2e12",
    "no value",
  ]);
  expect([0.001, -0.5, 1, -0.001].map(cellFormat(1))).toEqual(["0", "−0.50", "1.00", "0"]);
  expect([12.34, 150].map(cellFormat(150))).toEqual(["12", "150"]);
  expect([0.0012, 0].map(cellFormat(0.002))).toEqual(["0.0012", "0"]);
});
