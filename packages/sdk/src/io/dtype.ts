/** Element types of safetensors files and their conversion to f32. */
import { TritlensError } from "../core/errors.ts";
import type { TensorData } from "../tensor/index.ts";

/** Bytes an element, by the name in the file. */
export const DTYPE_BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
}; // prettier-ignore

/** An element type this library reads. */
export type StoredDType = "F64" | "I64" | "U64" | "F32" | "I32" | "U32" | "F16" | "BF16" | "I16" | "U16" | "I8" | "U8" | "BOOL";

/** The name in the file of an array's type. */
export function storedDTypeOf(data: TensorData): StoredDType {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof Int16Array) return "I16";
  return data instanceof Int8Array ? "I8" : "U8";
}

type Read = (view: DataView, offset: number) => number;

const READ: Readonly<Record<StoredDType, Read>> = {
  F64: (v, o) => v.getFloat64(o, true),
  F32: (v, o) => v.getFloat32(o, true),
  F16: (v, o) => halfToNumber(v.getUint16(o, true)),
  BF16: (v, o) => bfloatToNumber(v.getUint16(o, true)),
  I64: (v, o) => Number(v.getBigInt64(o, true)),
  U64: (v, o) => Number(v.getBigUint64(o, true)),
  I32: (v, o) => v.getInt32(o, true),
  U32: (v, o) => v.getUint32(o, true),
  I16: (v, o) => v.getInt16(o, true),
  U16: (v, o) => v.getUint16(o, true),
  I8: (v, o) => v.getInt8(o),
  U8: (v, o) => v.getUint8(o),
  BOOL: (v, o) => (v.getUint8(o) === 0 ? 0 : 1),
};

/** Values of a stored tensor as f32 (f64 and 64-bit integers are rounded). The bytes may start anywhere: they are read, never cast. */
export function decodeFloats(dtype: StoredDType, bytes: Uint8Array): Float32Array {
  // `new Uint8Array` copies; `slice` of a Node Buffer would not.
  if (dtype === "F32") return new Float32Array(new Uint8Array(bytes).buffer);
  const size = DTYPE_BYTES[dtype] as number;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READ[dtype];
  return Float32Array.from({ length: bytes.byteLength / size }, (_, i) => read(view, i * size));
}

/** Values of an integer tensor as i32. @throws E_FORMAT when the tensor holds floats or a value outside i32. */
export function decodeInts(dtype: StoredDType, bytes: Uint8Array): Int32Array {
  if (dtype.includes("F")) throw new TritlensError("E_FORMAT", "integers are needed here", { expected: "an integer dtype", found: dtype });
  const size = DTYPE_BYTES[dtype] as number;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.byteLength / size }, (_, i) => requireI32(READ[dtype](view, i * size)));
}

function requireI32(n: number): number {
  if (n === (n | 0)) return n;
  throw new TritlensError("E_FORMAT", "integer outside of 32 bits", { expected: "a value in [-2^31, 2^31)", found: String(n) });
}

/** IEEE binary16. */
function halfToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(h >> 10) & 31, h & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of an f32. */
function bfloatToNumber(b: number): number {
  scratch.setUint32(0, b << 16);
  return scratch.getFloat32(0);
}
