/** Float tensors of files as f32, in bulk: a checkpoint's master weights have 10^9 of them. */

/** Bytes an element. */
export const FLOAT_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };

/** f32 values of F32, F16 or BF16 bytes; little-endian, at any alignment. */
export function floatsOf(type: string, bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  if (type === "F32") return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  if (type === "BF16") for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  else for (let i = 0; i < halves.length; i++) bits[i] = HALVES[halves[i] as number] as number;
  return out;
}

/** The bits of the f32 of every half. */
const HALVES: Uint32Array = Uint32Array.from({ length: 1 << 16 }, (_, h) => halfBits(h));

/** IEEE binary16 to binary32: both have a sign, an exponent and a fraction, subnormal halves are normal floats. */
function halfBits(h: number): number {
  const sign = (h & 0x8000) << 16;
  const [exponent, fraction] = [(h >> 10) & 31, h & 1023];
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 1023) << 13)) >>> 0;
}
