/** safetensors files in memory (8-byte little-endian header length, JSON header, one contiguous payload). */
import { sizeOf, Tensor, type TensorData } from "../tensor/index.ts";
import { decodeFloats, type StoredDType, storedDTypeOf } from "./dtype.ts";
import { bad, headerBytes, headerLength, readHeader } from "./safetensors-header.ts";

/** One tensor of a file. `bytes` is a view into the file's bytes and need not be aligned. */
export interface StoredTensor {
  /** Element type. */
  readonly dtype: StoredDType;
  /** Extents. */
  readonly shape: readonly number[];
  /** Row-major elements, little-endian. */
  readonly bytes: Uint8Array;
}

/** A parsed file. Maps, because names come from outside. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of the header. */
  readonly tensors: Map<string, StoredTensor>;
  /** Strings of `__metadata__`. */
  readonly metadata: Map<string, string>;
}

/**
 * Parses a safetensors file. The tensors are views: no payload is copied.
 *
 * @throws E_FORMAT naming the tensor and what was expected and found.
 */
export function parseSafetensors(file: Uint8Array): SafetensorsFile {
  const length = headerLength(file, file.byteLength);
  const payload = file.subarray(8 + length);
  const { entries, metadata } = readHeader(file.subarray(8, 8 + length), payload.byteLength);
  const tensors = new Map(entries.map((e) => [e.name, { dtype: e.dtype, shape: e.shape, bytes: payload.subarray(e.begin, e.end) }]));
  return { tensors, metadata };
}

/** A stored tensor as f32 (copied; F16 and BF16 exactly, wider types rounded). */
export function toTensor(stored: StoredTensor, axes?: readonly string[]): Tensor {
  return Tensor.from(decodeFloats(stored.dtype, stored.bytes), stored.shape, axes);
}

/**
 * Serialises tensors: wider element types first (so that every tensor is aligned), else in the order given; the header is padded to 8 bytes.
 *
 * @param tensors - Name and tensor; the element type is that of the typed array.
 * @param metadata - Strings for `__metadata__`.
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, Tensor<TensorData>]>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const list = [...tensors].map(([name, t]) => ({ name, dtype: storedDTypeOf(t.data), shape: t.shape, data: t.data }));
  list.sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  for (const { name, shape, data } of list)
    if (sizeOf(shape) !== data.length) throw bad(`tensor "${name}"`, `${sizeOf(shape)} elements`, String(data.length));
  const header = headerBytes(list, metadata);
  const payload = list.reduce((n, t) => n + t.data.byteLength, 0);
  const out = new Uint8Array(header.byteLength + payload);
  out.set(header);
  let at = header.byteLength;
  for (const { data } of list) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}
