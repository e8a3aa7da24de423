import { expect, it } from "vitest";
import { decodeFloats } from "../io/index.ts";
import { encodeFloats } from "./numbers.ts";

it("every 16-bit float is written as it was read", () => {
  const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
  for (const type of ["F16", "BF16"] as const) {
    const values = decodeFloats(type, new Uint8Array(bits.buffer));
    const back = new Uint16Array(encodeFloats(type, values).buffer);
    expect([...back.keys()].filter((i) => !Number.isNaN(values[i]) && back[i] !== i)).toEqual([]);
    for (const i of [0x7c01, 0x7e00, 0xffff, 0x7f81])
      if (Number.isNaN(values[i])) expect(decodeFloats(type, new Uint8Array(Uint16Array.of(back[i] as number).buffer))[0]).toBeNaN();
  }
});

it("rounds to the nearest, and between two to the even one", () => {
  const half = (x: number): number => decodeFloats("F16", encodeFloats("F16", Float32Array.of(x)))[0] as number;
  for (const [x, y] of [
    [0.1, 0.0999755859375],
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [65519, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [-65520, Number.NEGATIVE_INFINITY],
    [2 ** -25, 0],
    [2 ** -25 + 2 ** -40, 2 ** -24],
    [3 * 2 ** -25, 2 ** -23],
    [2 ** -14 - 2 ** -25, 2 ** -14],
    [1e-30, 0],
  ] as const)
    expect(half(x)).toBe(y);
  const brain = (x: number): number => decodeFloats("BF16", encodeFloats("BF16", Float32Array.of(x)))[0] as number;
  for (const [x, y] of [
    [1 + 2 ** -8, 1],
    [1 + 3 * 2 ** -8, 1 + 2 ** -6],
    [3.3895e38, 3.3895313892515355e38],
    [3.4e38, Number.POSITIVE_INFINITY],
  ] as const)
    expect(brain(x)).toBe(y);
});

it("floats are copied", () => {
  const values = Float32Array.of(1, 2);
  const bytes = encodeFloats("F32", values.subarray(1));
  expect(new Float32Array(bytes.buffer)).toEqual(Float32Array.of(2));
});
