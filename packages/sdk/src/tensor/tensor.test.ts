import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { Tensor } from "./tensor.ts";

const iota = (shape: number[], axes?: string[]) =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
    shape,
    axes,
  );

describe("Tensor", () => {
  it("indexes row-major, from the end with negatives", () => {
    const t = iota([2, 3]);
    expect(t.at(1, 0)).toBe(3);
    expect(t.at(-1, -1)).toBe(5);
    expect(() => t.at(0, 3)).toThrow(/E_RANGE.*axis1/);
    expect(() => t.at(0)).toThrow(/E_SHAPE/);
  });
  it("slices by axis name and keeps or drops the axis", () => {
    const t = iota([2, 3, 2], ["batch", "pos", "d"]);
    expect(t.slice("pos", 1).toNested()).toEqual([
      [2, 3],
      [8, 9],
    ]);
    expect(t.slice("pos", 1).axes).toEqual(["batch", "d"]);
    expect(t.slice("pos", [1, 3]).shape).toEqual([2, 2, 2]);
    expect(() => t.slice("head", 0)).toThrow(/E_NAME.*batch, pos, d/);
    expect(() => t.slice("pos", [2, 4])).toThrow(/E_RANGE/);
  });
  it("refuses data that does not fit", () => {
    expect(() => Tensor.from(new Float32Array(5), [2, 3])).toThrow(/E_SHAPE.*expected 6.*found 5/);
    expect(() => Tensor.from(new Float32Array(6), [2, 3], ["a"])).toThrow(/E_SHAPE/);
  });
  it("copies are independent, views are not", () => {
    const t = iota([2]);
    const c = t.copy();
    t.data[0] = 9;
    expect(c.at(0)).toBe(0);
    expect(t.reshape([1, 2]).at(0, 0)).toBe(9);
  });
  it("prints facts, not everything", () => {
    const t = iota([100, 10], ["batch", "d"]);
    t.data[0] = Number.NEGATIVE_INFINITY;
    const text = inspect(t);
    expect(text).toContain("float32 [batch 100, d 10] min 1 mean 500 max 999 (1 non-finite)");
    expect(text.length).toBeLessThan(200);
  });
  it("prints the zeros that count", () => {
    expect(String(Tensor.from(Float32Array.of(1200.4, 3.3941e-10), [2]))).toContain("[1200, 3.394e-10]");
  });
  it("handles scalars and empty tensors", () => {
    expect(iota([]).at()).toBe(0);
    expect(String(iota([0, 3]))).toContain("empty");
  });
});
