/** Files from URLs that a browser keeps: whole, in the Cache API or in the origin's private file system. */
import { TritlensError } from "../../core/errors.ts";
import { blobSource } from "./local.ts";
import { aborted, type ByteSource, type SourceOptions } from "./source.ts";
import { discard, type Remote, request, totalOf, urlSource, versionOf } from "./url.ts";
import { Watcher } from "./watch.ts";

/** A place for whole files. `version` tells states of a file apart; undefined asks for whatever is stored. */
interface Store {
  find(url: string, version: string | undefined): Promise<Blob | undefined>;
  put(url: string, version: string, body: ReadableStream<Uint8Array>): Promise<void>;
}

const PLACE = "tritlens";

/**
 * Opens a URL through a store. One small request asks for the file's current version; what is stored under it is read from there, else the whole file
 * is downloaded into the store first. When the network or the server fails, what is stored is used.
 *
 * @returns undefined when the server says that there is no such file.
 * @throws E_BACKEND where the browser (or Node) has no such store; E_IO; E_ABORTED.
 */
export async function cachedSource(url: string, kind: "cache-api" | "opfs", options: SourceOptions): Promise<ByteSource | undefined> {
  const store = kind === "opfs" ? await opfsStore() : await cacheStore();
  const remote = { url, options };
  let version: string;
  try {
    const response = await request(remote, 0, 1);
    discard(response);
    if (response.status !== 200 && response.status !== 206) return await urlSource(url, options);
    version = `${versionOf(response)} ${totalOf(response) ?? ""}`;
  } catch (error) {
    const kept = error instanceof TritlensError && error.code === "E_IO" ? await store.find(url, undefined) : undefined;
    if (!kept) throw error;
    return blobSource(kept, url, options);
  }
  const kept = await store.find(url, version);
  return kept ? blobSource(kept, url, options) : download(remote, store, version);
}

async function download(remote: Remote, store: Store, version: string): Promise<ByteSource> {
  const { url, options } = remote;
  const response = await request(remote, 0, 0);
  if (response.status !== 200 || !response.body)
    throw new TritlensError("E_IO", `could not read ${url}`, { expected: "status 200", found: String(response.status) });
  const watcher = new Watcher(url, Number(response.headers.get("content-length") ?? 0), options);
  try {
    await store.put(url, version, response.body.pipeThrough(watcher.stream));
  } catch (error) {
    if (watcher.thrown) throw watcher.thrown.error;
    if (options.signal?.aborted) throw aborted(url, options.signal);
    throw new TritlensError("E_IO", `could not store ${url}`, { found: error instanceof Error ? error.message : String(error), cause: error });
  }
  const stored = await store.find(url, version);
  if (!stored) throw new TritlensError("E_IO", `could not store ${url}`, { expected: "the file in the store", found: "nothing" });
  // The bytes were reported as they came.
  return blobSource(stored, url, { ...options, onProgress: undefined });
}

function missing(what: string): TritlensError {
  return new TritlensError("E_BACKEND", `there is no ${what} here`, { expected: 'a browser on a secure page, or cache: "none"', found: "nothing" });
}

/** Entry's header with the version; answers with parts of files cannot be stored there, so files are whole. */
const VERSION = "x-tritlens-version";

async function cacheStore(): Promise<Store> {
  if (!("caches" in globalThis)) throw missing("Cache API");
  const cache = await caches.open(PLACE);
  return {
    async find(url, version) {
      const entry = await cache.match(url);
      return entry && (version === undefined || entry.headers.get(VERSION) === version) ? entry.blob() : undefined;
    },
    // An entry appears only when its body has arrived whole.
    put: (url, version, body) => cache.put(url, new Response(body, { headers: { [VERSION]: version } })),
  };
}

async function opfsStore(): Promise<Store> {
  if (!("navigator" in globalThis) || !navigator.storage?.getDirectory) throw missing("private file system");
  const folder = (await (await navigator.storage.getDirectory()).getDirectoryHandle(PLACE, { create: true })) as Listed;
  const nameOf = async (url: string, version: string): Promise<string> => `${await digest(url)}-${await digest(version)}`;
  const entries = async (url: string): Promise<string[]> => {
    const prefix = `${await digest(url)}-`;
    const names: string[] = [];
    for await (const name of folder.keys()) if (name.startsWith(prefix)) names.push(name);
    return names;
  };
  return {
    async find(url, version) {
      const wanted = version === undefined ? undefined : await nameOf(url, version);
      const name = (await entries(url)).find((n) => wanted === undefined || n === wanted);
      const file = name === undefined ? undefined : await (await folder.getFileHandle(name)).getFile();
      // A download that a closed tab cut off has left its name without content.
      return file && file.size > 0 ? file : undefined;
    },
    async put(url, version, body) {
      const old = await entries(url);
      const name = await nameOf(url, version);
      const handle = await folder.getFileHandle(name, { create: true });
      try {
        // The content appears when the stream is closed, not before.
        await body.pipeTo(await handle.createWritable());
      } catch (error) {
        await folder.removeEntry(name);
        throw error;
      }
      for (const stale of old) if (stale !== name) await folder.removeEntry(stale);
    },
  };
}

/** TypeScript's own declaration lacks the iterator. */
type Listed = FileSystemDirectoryHandle & { keys(): AsyncIterable<string> };

async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(hash.subarray(0, 12), (b) => b.toString(16).padStart(2, "0")).join("");
}
