/** NumPy's `.npy` files: one array each (numpy/lib/format.py, versions 1 to 3). */
import { TritlensError } from "../core/errors.ts";
import { sizeOf } from "../tensor/index.ts";
import { DTYPE_BYTES, type StoredDType } from "./dtype.ts";
import type { StoredTensor } from "./safetensors.ts";

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY
/** The array's elements begin at a multiple of this. */
const ALIGN = 64;
/** Longest header that is looked at. */
const MAX_HEADER = 1 << 16;

/** Element types, as NumPy and as safetensors name them. */
const TYPES: ReadonlyMap<string, StoredDType> = new Map([
  ["<f8", "F64"],
  ["<f4", "F32"],
  ["<f2", "F16"],
  ["<i8", "I64"],
  ["<i4", "I32"],
  ["<i2", "I16"],
  ["|i1", "I8"],
  ["|u1", "U8"],
  ["|b1", "BOOL"],
]);

/** What stands before the elements of a row-major array of f32. */
export function npyHeader(shape: readonly number[]): Uint8Array {
  const dims = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${dims}, }`;
  const length = Math.ceil((10 + text.length + 1) / ALIGN) * ALIGN - 10;
  const out = new Uint8Array(10 + length).fill(0x20);
  out.set(MAGIC);
  out.set([1, 0, length & 255, length >> 8], 6);
  out.set(new TextEncoder().encode(text), 10);
  out[out.length - 1] = 0x0a;
  return out;
}

/** The only form that NumPy writes. */
const HEADER = /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \}\s*$/;

/**
 * Reads a `.npy` file. The elements are a view.
 *
 * @param name - For errors.
 * @throws E_FORMAT for anything but a row-major, little-endian array of numbers.
 */
export function parseNpy(file: Uint8Array, name: string): StoredTensor {
  const bad = (expected: string, found: string): TritlensError => new TritlensError("E_FORMAT", name, { expected, found });
  if (file.length < 12 || MAGIC.some((x, i) => file[i] !== x)) throw bad("a .npy file", "other bytes");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const major = file[6] as number;
  if (major < 1 || major > 3) throw bad("version 1, 2 or 3", String(major));
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER || start + length > file.length) throw bad(`a header within the file, of at most ${MAX_HEADER} bytes`, `${length} bytes`);
  const text = new TextDecoder("latin1").decode(file.subarray(start, start + length));
  const [, descr = "", order, dims = ""] = HEADER.exec(text) ?? [];
  const dtype = TYPES.get(descr);
  if (dtype === undefined || order === undefined) throw bad(`a plain array of ${[...TYPES.keys()].join(", ")}`, text.slice(0, 80).trim());
  if (order === "True") throw bad("a row-major array", "fortran_order");
  const shape = dims.split(",").flatMap((d) => (d.trim() === "" ? [] : [Number(d)]));
  const bytes = file.subarray(start + length);
  const expected = sizeOf(shape) * (DTYPE_BYTES[dtype] as number);
  if (expected !== bytes.length) throw bad(`${expected} bytes of elements`, `${bytes.length}`);
  return { dtype, shape, bytes };
}
