/** Where bytes come from: one interface over files, URLs, Blobs and memory, read by position. */
import { requireAttached, TritlensError } from "../../core/errors.ts";

/** Bytes that can be read at any position. Nothing is kept in memory beyond what is asked for, where the source allows it. */
export interface ByteSource {
  /** Path, URL or file name, for messages and progress. */
  readonly name: string;
  /** Bytes in all, as of opening. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `offset` on. Several reads may be under way at once.
   *
   * @throws E_IO when the source has become shorter (both sizes are named) or the system refuses; E_RANGE when the range lies outside of `size`;
   * E_ABORTED after the signal it was opened with, which also closes it; E_CLOSED after {@link close}.
   */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Gives the file or connection back. Safe to call twice. */
  close(): Promise<void>;
}

/** What loading reports, in transformers.js's shape. `progress` is a percentage; `progress_total` sums over all files of a model. */
export interface LoadProgress {
  /** What happened: a file was opened, bytes came, a file is read, the model can be used. */
  readonly status: "initiate" | "progress" | "progress_total" | "done" | "ready";
  /** Name of the file. */
  readonly file: string;
  /** Bytes read so far. */
  readonly loaded: number;
  /** Bytes in all. */
  readonly total: number;
  /** 100 loaded / total. */
  readonly progress: number;
}

/** How a source is opened. */
export interface SourceOptions {
  /** Stops reads with E_ABORTED and closes the source. */
  readonly signal?: AbortSignal | undefined;
  /** Used instead of the global `fetch`, for headers or proxies of one's own. */
  readonly fetch?: typeof fetch | undefined;
  /**
   * Where files from URLs are kept in a browser (default `none`). Both others store whole files, and ask the server on opening whether a stored one is
   * still the current one (by ETag, or date, and size); without a network the stored one is used. `opfs`: the origin's private file system.
   */
  readonly cache?: "none" | "cache-api" | "opfs" | undefined;
  /** Called while bytes arrive. What it throws ends the read that was under way, and is thrown there. */
  readonly onProgress?: ((event: LoadProgress) => void) | undefined;
}

/** Fills a part of a read; never called with a range outside of the source. */
export type ReadPart = (offset: number, into: Uint8Array) => Promise<void>;

/** Bytes a part: after each one the signal is looked at and progress reported. */
const PART = 1 << 24;

/** The checks that all sources share, around `readPart`. */
export function makeSource(
  { name, size }: { name: string; size: number },
  readPart: ReadPart,
  release: () => Promise<void> | void,
  { signal, onProgress }: SourceOptions = {},
  part: number = PART,
): ByteSource {
  let closed = false;
  let loaded = 0;
  const close = async (): Promise<void> => {
    if (closed) return;
    closed = true;
    signal?.removeEventListener("abort", onAbort);
    await release();
  };
  const onAbort = (): void => void close().catch(() => undefined);
  const check = (): void => {
    if (signal?.aborted) throw aborted(name, signal);
    if (closed) throw new TritlensError("E_CLOSED", `${name} was closed`);
  };
  const report = (status: LoadProgress["status"]): void =>
    onProgress?.({ status, file: name, loaded, total: size, progress: size === 0 ? 100 : (100 * loaded) / size });
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  try {
    report("initiate");
  } catch (error) {
    onAbort();
    throw error;
  }
  return {
    name,
    size,
    close,
    async read(offset, into) {
      check();
      requireAttached("a read", into);
      requireRange(name, size, offset, into.byteLength);
      for (let at = 0; at < into.byteLength; at += part) {
        const piece = into.subarray(at, Math.min(at + part, into.byteLength));
        await readPart(offset + at, piece).catch((error: unknown) => {
          check();
          throw error;
        });
        check();
        if (loaded === size) continue;
        // What is read twice counts twice, so a file may be done a little early, but only once.
        loaded = Math.min(size, loaded + piece.byteLength);
        report(loaded === size ? "done" : "progress");
      }
    },
  };
}

/** The error of an aborted read. */
export function aborted(name: string, signal: AbortSignal): TritlensError {
  return new TritlensError("E_ABORTED", `reading ${name} was aborted`, { cause: signal.reason });
}

/** The error of a source that holds fewer bytes than it did when it was opened. */
export function shrank(name: string, expected: number, found: number): TritlensError {
  return new TritlensError("E_IO", `${name} changed while it was read`, { expected: `${expected} bytes`, found: `${found} bytes` });
}

function requireRange(name: string, size: number, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= size) return;
  throw new TritlensError("E_RANGE", `a read outside of ${name}`, { expected: `bytes 0 to ${size}`, found: `${offset} to ${offset + length}` });
}
