/** Opens whatever a caller has: a path, a URL, a Blob, bytes, or a source that is open already. */
import { platform } from "#platform";
import { TritlensError } from "../../core/errors.ts";
import { cachedSource } from "./cache.ts";
import { blobSource, fileSource, memorySource, nameOfBlob } from "./local.ts";
import { aborted, type ByteSource, type SourceOptions } from "./source.ts";
import { urlSource } from "./url.ts";

/** Something with bytes in it. A string is a path, or a URL when it begins with `http:`, `https:`, `blob:`, `data:` or `file:`. */
export type SourceInput = string | URL | Blob | ArrayBuffer | Uint8Array | ByteSource;

/**
 * Opens a source. Files are read by position and never mapped; URLs by ranges (see {@link SourceOptions} for keeping them in a browser). A server that
 * does not answer ranges sends the whole file, which then lies in memory.
 *
 * @throws E_IO when there is no such file or the server answers with an error; E_ABORTED.
 */
export async function openSource(input: SourceInput, options: SourceOptions = {}): Promise<ByteSource> {
  const source = await tryOpen(input, options);
  if (source) return source;
  throw new TritlensError("E_IO", `could not read ${nameOf(input)}`, { expected: "a file", found: "status 404" });
}

/** As {@link openSource}; undefined for a URL at which there is nothing. */
export async function tryOpen(input: SourceInput, options: SourceOptions): Promise<ByteSource | undefined> {
  if (options.signal?.aborted) throw aborted(nameOf(input), options.signal);
  if (input instanceof Blob) return blobSource(input, nameOf(input), options);
  if (input instanceof ArrayBuffer) return memorySource(new Uint8Array(input), "memory", options);
  if (input instanceof Uint8Array) return memorySource(input, "memory", options);
  if (typeof input === "object" && !(input instanceof URL)) return input;
  const text = String(input);
  if (!isUrl(text)) return fileSource(text, text, options);
  if (text.startsWith("file:")) return fileSource(platform.pathOfUrl(text), text, options);
  return options.cache && options.cache !== "none" ? cachedSource(text, options.cache, options) : urlSource(text, options);
}

/** Whether a string is a URL and not a path (`C:\x` is a path). */
export function isUrl(text: string): boolean {
  return /^(https?|blob|data|file):/i.test(text);
}

/** What a source is called. */
export function nameOf(input: SourceInput): string {
  if (input instanceof Blob) return nameOfBlob(input);
  if (input instanceof ArrayBuffer || input instanceof Uint8Array) return "memory";
  return typeof input === "object" && !(input instanceof URL) ? input.name : String(input);
}
