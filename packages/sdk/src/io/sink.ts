/** Where written files go: to a path, atomically, or into memory. */
import { platform } from "#platform";
import { TritlensError } from "../core/errors.ts";
import type { LoadProgress } from "./source/source.ts";

/** Takes the bytes of one file in order. */
export interface ByteSink {
  /** The next bytes of the file. They may be overwritten afterwards, so a sink that keeps them copies. */
  write(bytes: Uint8Array): Promise<void>;
  /** All bytes are there. */
  commit(): Promise<void>;
  /** The file is not wanted after all: nothing of it stays. Safe to call twice. */
  discard(): Promise<void>;
}

/** A path (Node; written beside it, made durable, then renamed, so that the path never holds half a file) or a sink. */
export type WriteTarget = string | ByteSink;

/** How a file is written. */
export interface WriteOptions {
  /** Stops with E_ABORTED; nothing is left behind. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each tensor. */
  readonly onProgress?: ((event: LoadProgress) => void) | undefined;
}

/** Keeps what is written. */
export interface MemorySink extends ByteSink {
  /** The file, after {@link ByteSink.commit}. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A sink in memory; bytes are copied, so writers may reuse their buffers. */
export function memorySink(): MemorySink {
  let held = new Uint8Array(1024);
  let length = 0;
  return {
    get bytes() {
      return held.subarray(0, length);
    },
    async write(bytes) {
      if (length + bytes.byteLength > held.byteLength) {
        const grown = allocate(Math.max(length + bytes.byteLength, held.byteLength * 2));
        grown.set(held.subarray(0, length));
        held = grown;
      }
      held.set(bytes, length);
      length += bytes.byteLength;
    },
    commit: async () => undefined,
    async discard() {
      held = new Uint8Array(0);
      length = 0;
    },
  };
}

function allocate(size: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(size);
  } catch {
    throw new TritlensError("E_MEMORY", "the file does not fit into memory", { expected: "a path to write to", found: `${size} bytes` });
  }
}

/** A piece of a file: bytes that are there, or bytes that are made when their turn comes. */
export interface Piece {
  readonly what: string;
  readonly byteLength: number;
  /** Zero bytes behind it. */
  readonly padding: number;
  readonly data: () => Promise<Uint8Array> | Uint8Array;
}

/**
 * Writes a file piece by piece, one in memory at a time.
 *
 * @returns Bytes written.
 * @throws E_SHAPE when a piece has another length than it was announced with; E_IO; E_ABORTED; what `data` and `onProgress` throw. The target then holds
 * what it held before.
 */
export async function writePieces(target: WriteTarget, pieces: readonly Piece[], { signal, onProgress }: WriteOptions = {}): Promise<number> {
  const file = typeof target === "string" ? target : "memory";
  const total = pieces.reduce((n, p) => n + p.byteLength + p.padding, 0);
  const sink = typeof target === "string" ? await platform.createFile(target) : target;
  let loaded = 0;
  const report = (status: LoadProgress["status"]): void =>
    onProgress?.({ status, file, loaded, total, progress: (100 * loaded) / Math.max(1, total) });
  try {
    report("initiate");
    for (const { what, byteLength, padding, data } of pieces) {
      if (signal?.aborted) throw new TritlensError("E_ABORTED", `writing ${file} was aborted`, { cause: signal.reason });
      const bytes = await data();
      if (bytes.byteLength !== byteLength)
        throw new TritlensError("E_SHAPE", `the data of ${what}`, { expected: `${byteLength} bytes`, found: `${bytes.byteLength} bytes` });
      await sink.write(bytes);
      if (padding > 0) await sink.write(new Uint8Array(padding));
      loaded += byteLength + padding;
      report("progress");
    }
    if (signal?.aborted) throw new TritlensError("E_ABORTED", `writing ${file} was aborted`, { cause: signal.reason });
    await sink.commit();
  } catch (error) {
    await sink.discard();
    throw error;
  }
  report("done");
  return total;
}
