/** Sources that need no network: files, Blobs, memory. */
import { platform } from "#platform";
import { type ByteSource, makeSource, type SourceOptions, shrank } from "./source.ts";

/** A file by its path (Node only). Links are followed. @throws E_IO. */
export async function fileSource(path: string, name: string = path, options: SourceOptions = {}): Promise<ByteSource> {
  const file = await platform.openFile(path);
  const read = async (offset: number, into: Uint8Array): Promise<void> => {
    if ((await file.read(into, offset)) < into.byteLength) throw shrank(name, file.size, await file.sizeNow());
  };
  return makeSource({ name, size: file.size }, read, () => file.close(), options);
}

/** Bytes in memory; they are not copied. */
export function memorySource(bytes: Uint8Array, name = "memory", options: SourceOptions = {}): ByteSource {
  let held: Uint8Array | undefined = bytes;
  const size = bytes.byteLength;
  const read = async (offset: number, into: Uint8Array): Promise<void> => {
    // A buffer that was transferred away reads as empty.
    if (held?.byteLength !== size) throw shrank(name, size, held?.byteLength ?? 0);
    into.set(held.subarray(offset, offset + into.byteLength));
  };
  const release = (): void => {
    held = undefined;
  };
  return makeSource({ name, size }, read, release, options);
}

/** A Blob or a File that the user picked. A File that changes on disk fails with E_IO. */
export function blobSource(blob: Blob, name: string = nameOfBlob(blob), options: SourceOptions = {}): ByteSource {
  const read = async (offset: number, into: Uint8Array): Promise<void> => {
    const piece = await bytesOf(blob.slice(offset, offset + into.byteLength), name, blob.size);
    if (piece.byteLength !== into.byteLength) throw shrank(name, blob.size, offset + piece.byteLength);
    into.set(piece);
  };
  // Smaller parts than elsewhere: each is in memory twice for a moment.
  return makeSource({ name, size: blob.size }, read, () => undefined, options, 1 << 22);
}

/** File name of a File, `blob` of others. */
export function nameOfBlob(blob: Blob): string {
  return "name" in blob && typeof blob.name === "string" ? blob.name : "blob";
}

async function bytesOf(blob: Blob, name: string, size: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch {
    // Browsers refuse a File whose size or date has changed since it was picked.
    throw shrank(name, size, 0);
  }
}
