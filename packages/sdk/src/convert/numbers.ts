/** Floats as files have them: 32, 16 and 16 bits. */

/** Element types of dense tensors in files. */
export type DenseType = "F32" | "F16" | "BF16";

/** Values as little-endian bytes of a type, rounded to nearest, ties to even. */
export function encodeFloats(type: DenseType, values: Float32Array): Uint8Array {
  if (type === "F32") return new Uint8Array(values.slice().buffer);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  const round = type === "F16" ? halfBits : bfloatBits;
  for (let i = 0; i < out.length; i++) out[i] = round(bits[i] as number);
  return new Uint8Array(out.buffer);
}

/** The upper half of an f32, rounded; NaN stays NaN. */
function bfloatBits(b: number): number {
  if ((b & 0x7fff_ffff) > 0x7f80_0000) return (b >>> 16) | 0x40;
  return (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
}

/** IEEE binary16 of an f32's bits. */
function halfBits(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const size = b & 0x7fff_ffff;
  // From 65520 on everything rounds to infinity.
  if (size >= 0x477f_f000) return sign | (size > 0x7f80_0000 ? 0x7e00 : 0x7c00);
  if (size >= 0x3880_0000) return sign | ((size - 0x3800_0000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
  if (size < 0x3300_0000) return sign;
  // Subnormal: the mantissa with its leading one, moved down to units of 2^-24.
  const shift = 126 - (size >>> 23);
  const mantissa = (size & 0x7f_ffff) | 0x80_0000;
  const down = mantissa >>> shift;
  const rest = mantissa - down * 2 ** shift;
  const half = 2 ** (shift - 1);
  return sign | (down + (rest > half || (rest === half && (down & 1) === 1) ? 1 : 0));
}
