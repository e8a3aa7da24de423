/** The least of a safetensors reader: float32 tensors by name. The tests use it so that a fault in the SDK's own reader cannot hide behind itself. */
import { readFileSync } from "node:fs";

/** One tensor. */
export interface RawTensor {
  shape: number[];
  data: Float32Array;
}

/** Reads every F32 tensor of a file. */
export function readSafetensors(path: string): Map<string, RawTensor> {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString("utf8")) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, RawTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (entry.dtype !== "F32") throw new Error(`${path}: ${name} is ${entry.dtype}, not F32`);
    const [from, to] = entry.data_offsets.map((offset) => 8 + headerLength + offset) as [number, number];
    tensors.set(name, { shape: entry.shape, data: new Float32Array(bytes.buffer.slice(bytes.byteOffset + from, bytes.byteOffset + to)) });
  }
  return tensors;
}
