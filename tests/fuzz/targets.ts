/** Opens a file, reads all of it, and checks what the parsers promise about any file that opens. */

import { DTYPE_BYTES } from "tritlens";
import { type ByteSource, ggmlBytes, ggmlTypeNamed, openGguf, openSafetensors, parseSafetensors, readTensorBytes } from "tritlens/io";
import { countingSource } from "../hostile/measure.ts";

interface Place {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly byteLength: number;
  readonly source: ByteSource;
}

/** Places lie in the file and share no byte; what is read is what the file has there. */
async function checkPlaces(bytes: Uint8Array, places: readonly Place[]): Promise<void> {
  const sorted = places.filter((p) => p.byteLength > 0).sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const place of sorted) {
    if (place.offset < end || place.offset + place.byteLength > bytes.length) throw new Error(`"${place.name}" lies at ${place.offset}`);
    end = place.offset + place.byteLength;
  }
  for (const place of places) {
    const read = await readTensorBytes(place);
    if (Buffer.compare(read, bytes.subarray(place.offset, place.offset + place.byteLength)) !== 0)
      throw new Error(`"${place.name}" reads other bytes`);
  }
}

const sizeOf = (shape: readonly number[]): bigint => shape.reduce((n, d) => n * BigInt(d), 1n);

/** Both parsers of safetensors, which must agree. */
export async function safetensors(bytes: Uint8Array): Promise<void> {
  let whole: ReturnType<typeof parseSafetensors> | undefined;
  let refusal: unknown;
  try {
    whole = parseSafetensors(bytes);
  } catch (error) {
    refusal = error;
  }
  if (!whole) {
    // Not an `expect`: the runner keeps every promise that one waits for until the test ends.
    const other = await openSafetensors(countingSource(bytes)).then(
      () => "nothing",
      (error: Error) => error.message,
    );
    if (other !== (refusal as Error).message) throw new Error(`the parsers disagree: ${(refusal as Error).message} and ${other}`);
    throw refusal;
  }
  const file = await openSafetensors(countingSource(bytes));
  const places = [...file.tensors.values()];
  await checkPlaces(bytes, places);
  for (const { name, dtype, shape, byteLength } of places)
    if (sizeOf(shape) * BigInt(DTYPE_BYTES[dtype] as number) !== BigInt(byteLength)) throw new Error(`"${name}" has ${byteLength} bytes`);
  const payload = bytes.length - 8 - Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (places.reduce((n, p) => n + p.byteLength, 0) !== payload) throw new Error("bytes of the payload belong to nobody");
  if ([...whole.tensors.keys()].join("\n") !== places.map((p) => p.name).join("\n")) throw new Error("the parsers disagree");
}

/** GGUF. */
export async function gguf(bytes: Uint8Array): Promise<void> {
  const file = await openGguf(countingSource(bytes));
  const places = [...file.tensors.values()];
  await checkPlaces(bytes, places);
  for (const { name, type, shape, byteLength, offset } of places) {
    const ggml = ggmlTypeNamed(type);
    if (!ggml || ggmlBytes(ggml, shape) !== byteLength) throw new Error(`"${name}" has ${byteLength} bytes`);
    if (byteLength > 0 && offset % file.alignment !== 0) throw new Error(`"${name}" is not aligned`);
  }
  // Strings are decoded when they are asked for.
  for (const value of file.metadata.values()) if (value.type === "ARRAY" && value.of === "STRING") for (const text of value.value) text.normalize();
}
