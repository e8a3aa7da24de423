/** Files behind a URL, read by HTTP ranges. */
import { TritlensError } from "../../core/errors.ts";
import { memorySource } from "./local.ts";
import { aborted, type ByteSource, makeSource, type SourceOptions, shrank } from "./source.ts";
import { Watcher } from "./watch.ts";

/** The first request asks for this many bytes: the headers of most files, and the size of every file. */
const FIRST = 1 << 16;

/** What the first request found. */
interface Probe {
  /** Bytes in all. */
  readonly size: number;
  /** The first bytes. */
  readonly head: Uint8Array;
  /** As {@link versionOf}. */
  readonly version: string;
}

/** A URL with what requests of it need. */
export interface Remote {
  readonly url: string;
  readonly options: SourceOptions;
}

/**
 * Opens a URL: one request for the first 64 KiB, which also tells the size; then one request a read. A server that does not answer ranges sends
 * the whole file to the first request, and it is kept in memory. Requests are not repeated when they fail.
 *
 * @returns undefined when the server says that there is no such file (404, 410).
 * @throws E_IO for other answers, E_ABORTED.
 */
export async function urlSource(url: string, options: SourceOptions = {}): Promise<ByteSource | undefined> {
  const remote = { url, options };
  const response = await request(remote, 0, FIRST);
  if (response.status === 404 || response.status === 410) {
    discard(response);
    return undefined;
  }
  // Its bytes are reported as they come, not when they are read out of memory.
  if (response.status === 200) return memorySource(await readBody(remote, response), url, { ...options, onProgress: undefined });
  return ranged(remote, await probe(remote, response));
}

/** Size, version and first bytes from the answer to the first request. */
async function probe(remote: Remote, response: Response): Promise<Probe> {
  if (response.status === 416) {
    discard(response);
    return { size: 0, head: new Uint8Array(0), version: versionOf(response) };
  }
  requireOk(remote.url, response, 206);
  const size = totalOf(response) ?? (await headSize(remote));
  const head = new Uint8Array(Math.min(FIRST, size));
  await fill(remote, response, head);
  return { size, head, version: versionOf(response) };
}

/** A source that asks for one range a read. */
function ranged(remote: Remote, { size, head, version }: Probe): ByteSource {
  const { url, options } = remote;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const read = async (offset: number, into: Uint8Array): Promise<void> => {
    if (offset + into.byteLength <= head.byteLength) return into.set(head.subarray(offset, offset + into.byteLength));
    const response = await request({ url, options: { ...options, signal } }, offset, into.byteLength);
    if (response.status === 416) throw shrank(url, size, totalOf(response) ?? 0);
    requireOk(url, response, 206);
    const total = totalOf(response);
    if (total !== undefined && total !== size) throw shrank(url, size, total);
    const found = versionOf(response);
    if (version && found && found !== version)
      throw new TritlensError("E_IO", `${url} changed while it was read`, { expected: `version ${version}`, found });
    await fill(remote, response, into);
  };
  return makeSource({ name: url, size }, read, () => stop.abort(), options);
}

/** One GET. `length` 0: the whole file. */
export async function request({ url, options }: Remote, offset: number, length: number): Promise<Response> {
  const headers: Record<string, string> = length > 0 ? { Range: `bytes=${offset}-${offset + length - 1}` } : {};
  return send({ url, options }, { headers });
}

async function send({ url, options }: Remote, init: RequestInit): Promise<Response> {
  try {
    return await (options.fetch ?? fetch)(url, { ...init, ...(options.signal ? { signal: options.signal } : {}) });
  } catch (error) {
    throw failed({ url, options }, error);
  }
}

/** The whole body of an answer without ranges. */
async function readBody(remote: Remote, response: Response): Promise<Uint8Array> {
  // The length is that of the compressed body when the server compressed it; fetch has unpacked it.
  const said = response.headers.has("content-encoding") ? Number.NaN : Number(response.headers.get("content-length") ?? Number.NaN);
  const known = Number.isSafeInteger(said);
  const watcher = new Watcher(remote.url, known ? said : 0, remote.options);
  try {
    const watched = new Response(response.body?.pipeThrough(watcher.stream) ?? null);
    if (!known) return new Uint8Array(await watched.arrayBuffer());
    const whole = allocate(remote.url, said);
    await fill(remote, watched, whole);
    return whole;
  } catch (error) {
    throw watcher.thrown ? watcher.thrown.error : failed(remote, error);
  }
}

function allocate(url: string, size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch {
    throw new TritlensError("E_MEMORY", `${url} has to be downloaded whole, because its server does not answer ranges`, {
      expected: "a file that fits into memory, or a server with ranges",
      found: `${size} bytes`,
    });
  }
}

/** Streams a body into its place, so that it is never in memory twice. @throws E_IO unless it has exactly this length. */
async function fill(remote: Remote, response: Response, into: Uint8Array): Promise<void> {
  if (response.status === 206 && response.headers.has("content-encoding"))
    throw new TritlensError("E_IO", `${remote.url} is sent compressed, so its ranges are not those of the file`);
  const reader = response.body?.getReader();
  let at = 0;
  try {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done || value === undefined) break;
      if (at + value.byteLength > into.byteLength) throw shrank(remote.url, into.byteLength, at + value.byteLength);
      into.set(value, at);
      at += value.byteLength;
    }
  } catch (error) {
    throw failed(remote, error);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
  if (at !== into.byteLength) throw shrank(remote.url, into.byteLength, at);
}

/** Size of the whole file, from `Content-Range: bytes 0-99/1234` (hidden from pages of other origins unless the server exposes it). */
export function totalOf(response: Response): number | undefined {
  const total = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
  return Number.isSafeInteger(total) ? total : undefined;
}

async function headSize(remote: Remote): Promise<number> {
  const response = await send(remote, { method: "HEAD" });
  requireOk(remote.url, response, 200);
  const size = Number(response.headers.get("content-length") ?? Number.NaN);
  if (Number.isSafeInteger(size)) return size;
  throw new TritlensError("E_IO", `the server of ${remote.url} does not say how long the file is`, {
    expected: "the header Content-Range or Content-Length, exposed to this page",
    found: "neither",
  });
}

/** ETag or date of the file, "" when the server says neither. */
export function versionOf(response: Response): string {
  return response.headers.get("etag") ?? response.headers.get("last-modified") ?? "";
}

/** Ends an answer whose body nobody wants. */
export function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined);
}

function requireOk(url: string, response: Response, expected: number): void {
  if (response.status === expected) return;
  discard(response);
  throw new TritlensError("E_IO", `could not read ${url}`, { expected: `status ${expected}`, found: `${response.status} ${response.statusText}` });
}

function failed({ url, options }: Remote, error: unknown): TritlensError {
  if (error instanceof TritlensError) return error;
  if (options.signal?.aborted) return aborted(url, options.signal);
  const reason = error instanceof Error ? error.message : String(error);
  return new TritlensError("E_IO", `could not read ${url}`, { found: reason, cause: error });
}
