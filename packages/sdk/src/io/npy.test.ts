import { describe, expect, it } from "vitest";
import type { TritlensError } from "../core/errors.ts";
import { sizeOf } from "../tensor/index.ts";
import { DTYPE_BYTES, decodeFloats } from "./dtype.ts";
import { npyHeader, parseNpy } from "./npy.ts";

/** What `numpy.save` of NumPy 1.26 writes: magic, version 1.0, a header of 118 bytes, the elements. */
const saved = (header: string, elements: readonly number[]): Uint8Array =>
  Uint8Array.from([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, 118, 0, ...new TextEncoder().encode(`${header.padEnd(117)}\n`), ...elements]);
const header = (descr: string, shape: string, order = "False"): string => `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

describe("a .npy file", () => {
  it.each([
    ["<i8", "(2, 1)", [2, 1], [3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0], [3, 5]],
    ["<f2", "(3,)", [3], [0x00, 0x3e, 0x00, 0xc0, 0x00, 0x7c], [1.5, -2, Number.POSITIVE_INFINITY]],
    ["|b1", "(2,)", [2], [1, 0], [1, 0]],
    ["<f4", "()", [], [0, 0, 0x50, 0x40], [3.25]],
    ["<f4", "(0, 4)", [0, 4], [], []],
  ])("%s of shape %s as NumPy writes it", (descr, text, shape, elements, values) => {
    const { dtype, bytes, ...rest } = parseNpy(saved(header(descr, text), elements), "x.npy");
    expect(rest.shape).toEqual(shape);
    expect([...decodeFloats(dtype, bytes)]).toEqual(values);
  });

  it("has NumPy's own header", () => {
    for (const [shape, text] of [
      [[2, 3, 4], "(2, 3, 4)"],
      [[5], "(5,)"],
      [[], "()"],
    ] as const)
      expect(npyHeader(shape)).toEqual(saved(header("<f4", text), []));
  });

  it.each([
    ["columns first", saved(header("<f4", "(1,)", "True"), [0, 0, 0, 0])],
    ["objects", saved(header("|O", "(1,)"), [0, 0, 0, 0])],
    ["big-endian", saved(header(">f4", "(1,)"), [0, 0, 0, 0])],
    ["a shape beyond the file", saved(header("<f4", "(4294967296, 4294967296)"), [0, 0, 0, 0])],
    ["too few elements", saved(header("<f4", "(2,)"), [0, 0, 0, 0])],
    ["code in the header", saved("__import__('os')", [])],
  ])("is refused: %s", (_, file) => expect(() => parseNpy(file, "x.npy")).toThrow(/E_FORMAT.*x\.npy/));

  it("cut anywhere or with any bit flipped is refused, or still holds what it says", () => {
    const file = saved(header("<f4", "(3,)"), [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 64, 64]);
    const check = (bytes: Uint8Array): void => {
      try {
        const found = parseNpy(bytes, "x.npy");
        expect(found.bytes.length).toBe(sizeOf(found.shape) * (DTYPE_BYTES[found.dtype] as number));
      } catch (error) {
        expect((error as TritlensError).code, String(error)).toBe("E_FORMAT");
      }
    };
    for (let n = 0; n < file.length; n++) check(file.subarray(0, n));
    for (let bit = 0; bit < 8 * file.length; bit++) check(file.with(bit >> 3, (file[bit >> 3] as number) ^ (1 << (bit & 7))));
  });
});
