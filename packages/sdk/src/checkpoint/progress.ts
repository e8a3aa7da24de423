/** Reports the reading of a checkpoint, in transformers.js's shape, and stops it. */
import { TritlensError } from "../core/errors.ts";
import type { LoadProgress } from "../io/index.ts";
import type { FileTensor } from "./files.ts";
import type { Fill } from "./fills.ts";
import type { Read } from "./move.ts";

/** How loading is watched and stopped. */
export interface WatchOptions {
  /** Called while bytes are read, with transformers.js's events. What it throws ends the loading and is thrown. */
  readonly onProgress?: ((event: LoadProgress) => void) | undefined;
  /** Ends the loading with E_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/** Counts bytes by file. What a callback throws ends the loading. */
export class Progress {
  readonly #options: WatchOptions;
  /** Bytes to read and read, by file. */
  readonly #files: Map<string, { total: number; loaded: number }> = new Map();
  readonly #name: string;

  constructor(name: string, fills: readonly Fill[], options: WatchOptions) {
    this.#options = options;
    this.#name = name;
    for (const fill of fills) {
      const file = this.#files.get(fill.tensor.source.name) ?? { total: 0, loaded: 0 };
      file.total += bytesToRead(fill);
      this.#files.set(fill.tensor.source.name, file);
    }
  }

  /** Throws E_ABORTED after the signal. */
  check(): void {
    const { signal } = this.#options;
    if (signal?.aborted) throw new TritlensError("E_ABORTED", `loading ${this.#name} was aborted`, { cause: signal.reason });
  }

  /** Before the first byte. */
  begin(): void {
    this.check();
    for (const [file, { total }] of this.#files) this.#report("initiate", file, 0, total);
  }

  /** Reads a piece of a tensor and counts it. */
  readonly read: Read = async ({ source, offset }: FileTensor, from: number, into: Uint8Array): Promise<void> => {
    this.check();
    await source.read(offset + from, into);
    this.check();
    const file = this.#files.get(source.name) as { total: number; loaded: number };
    const before = file.loaded;
    file.loaded = Math.min(file.total, before + into.byteLength);
    this.#report("progress", source.name, file.loaded, file.total);
    const [loaded, total] = this.#sums();
    this.#report("progress_total", this.#name, loaded, total);
    if (file.loaded === file.total && before < file.total) this.#report("done", source.name, file.total, file.total);
  };

  /** The model can be used. */
  ready(): void {
    const [, total] = this.#sums();
    this.#report("ready", this.#name, total, total);
  }

  #sums(): [loaded: number, total: number] {
    const files = [...this.#files.values()];
    return [files.reduce((n, f) => n + f.loaded, 0), files.reduce((n, f) => n + f.total, 0)];
  }

  #report(status: LoadProgress["status"], file: string, loaded: number, total: number): void {
    this.#options.onProgress?.({ status, file, loaded, total, progress: total === 0 ? 100 : (100 * loaded) / total });
  }
}

/** Bytes that filling a parameter reads: its part of the tensor, twice where a scale is measured first. */
function bytesToRead({ tensor, rows, param, how, scale }: Fill): number {
  const part = rows ? Math.round((tensor.byteLength * (param.shape[0] as number)) / rows.of) : tensor.byteLength;
  return part * (how === "absmean" ? 2 : 1) + (scale?.tensor.byteLength ?? 0);
}
