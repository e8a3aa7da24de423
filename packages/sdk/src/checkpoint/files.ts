/** What the loader knows of a tensor in a file, whatever the file's format. */
import type { ByteSource } from "../io/index.ts";

/** A tensor in a file. */
export interface FileTensor {
  readonly name: string;
  /** Element type as the file's format names it: `F32`, `BF16`, `U8`, `TQ2_0`, ... */
  readonly type: string;
  /** Extents, outermost first. */
  readonly shape: readonly number[];
  readonly source: ByteSource;
  readonly offset: number;
  readonly byteLength: number;
}

/** An open checkpoint. */
export interface CheckpointFiles {
  readonly kind: "safetensors" | "gguf";
  /** Path, URL or name. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, FileTensor>;
  close(): Promise<void>;
}
