/** Finds and loads a core: native first in Node, WebAssembly everywhere else. */
import { platform } from "#platform";
import type { Core, Parallel } from "./core.ts";
import { TritlensError } from "./errors.ts";
import { type Generated, type Instance, instantiate, instantiateGenerated, instantiateShared } from "./instantiate.ts";
import { pooledCore } from "./pool/pool.ts";
import { threadedCore } from "./threads/threads.ts";

/** Which core, and where the WASM module comes from. */
export interface LoadOptions {
  /** `auto` takes native where it loads and falls back to WASM with one line of notice. `TRITLENS_BACKEND` sets the default in Node. */
  readonly backend?: "auto" | "native" | "wasm";
  /** Where to fetch the WASM module; the package's own file when left out. */
  readonly wasmUrl?: string | URL;
  /** The WASM module's bytes. */
  readonly wasmBinary?: BufferSource;
  /** A compiled WASM module, for example one posted to a worker. */
  readonly wasmModule?: WebAssembly.Module;
  /**
   * Another build of the core, as its generated package: `() => import("@tritlens/wasm/inference")` is small and has no gradients and no trainer (their calls
   * give E_BACKEND). One thread. In Node, `wasmBinary` has to come along.
   */
  readonly wasmPackage?: () => Promise<Generated>;
  /**
   * How WebAssembly uses more than one thread: `threads` over shared memory (Node; a worker of a cross-origin isolated page), `workers` by sharing steps out
   * over instances in workers, `none` never. `auto` takes the first of these that there is; `threads` only when more than one is asked for here and no module
   * is given. `TRITLENS_PARALLEL` sets the default in Node. Results have the same bits either way.
   */
  readonly parallel?: "auto" | Parallel;
  /** Threads, as {@link Core.setThreads} sets them; 1 when left out. */
  readonly threads?: number;
}

const loaded = new Map<string, Promise<Core>>();
let instance: Promise<Instance> | undefined;
let first: Core | undefined;
let noticed = false;

/**
 * Loads a core. Calls share one core a backend, and the first one loaded becomes the default of `Model.fromConfig`.
 *
 * @throws E_BACKEND when the backend asked for is unknown or cannot be loaded.
 * @example
 * ```ts
 * const core = await loadCore();               // native in Node, else WASM
 * const wasm = await loadCore({ backend: "wasm" });
 * ```
 */
export async function loadCore(options: LoadOptions = {}): Promise<Core> {
  const wanted = options.backend ?? platform.env("TRITLENS_BACKEND") ?? "auto";
  const core = await load(wanted, options);
  if (options.threads !== undefined) core.setThreads(options.threads);
  first ??= core;
  return core;
}

/** The core loaded first. @throws E_BACKEND when none was. */
export function defaultCore(): Core {
  if (first) return first;
  throw new TritlensError("E_BACKEND", "no core is loaded", { expected: "`await loadCore()` before the first model", found: "none" });
}

/** The core loaded first, or one that is loaded now. @throws E_BACKEND when none can be. */
export async function anyCore(): Promise<Core> {
  return first ?? loadCore();
}

async function load(wanted: string, options: LoadOptions): Promise<Core> {
  switch (wanted) {
    case "wasm":
      return wasm(options);
    case "native":
      return once("native", async () => loadNative());
    case "auto":
      return platform.name === "node" ? nativeOrWasm(options) : wasm(options);
    default:
      throw new TritlensError("E_BACKEND", `unknown backend "${wanted}"`, { expected: "auto, native or wasm", found: wanted });
  }
}

async function nativeOrWasm(options: LoadOptions): Promise<Core> {
  try {
    return await once("native", async () => loadNative());
  } catch (error) {
    if (!noticed) platform.notice(`tritlens: ${firstLine(error)}; using WebAssembly`);
    noticed = true;
    return wasm(options);
  }
}

/** A load that failed may be tried again. */
function once(key: string, start: () => Promise<Core>): Promise<Core> {
  const known = loaded.get(key);
  if (known) return known;
  const promise = start();
  loaded.set(key, promise);
  promise.catch(() => loaded.delete(key));
  return promise;
}

function loadNative(): Core {
  try {
    return platform.loadNative();
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the native core did not load (${firstLine(cause)})`, { cause });
  }
}

/** What is asked for; `auto` where that is left to us. */
function parallelOf(options: LoadOptions): "auto" | Parallel {
  const wanted = options.parallel ?? platform.env("TRITLENS_PARALLEL") ?? "auto";
  if (wanted === "auto" || wanted === "threads" || wanted === "workers" || wanted === "none") return wanted;
  throw new TritlensError("E_BACKEND", `unknown way to use threads "${wanted}"`, { expected: "auto, threads, workers or none", found: wanted });
}

async function wasm(options: LoadOptions): Promise<Core> {
  const { wasmPackage } = options;
  if (wasmPackage) return (await loadWasm(options, async (source) => instantiateGenerated(await wasmPackage(), source))).core;
  const parallel = parallelOf(options);
  if (parallel === "threads") return once("wasm threads", () => withThreads());
  if (parallel !== "auto") return once(`wasm ${parallel}`, () => withoutSharing(options, parallel));
  const shared = await sharedIfWanted(options);
  if (shared) return shared;
  const there = platform.hasWorkers() ? "workers" : "none";
  return once(`wasm ${there}`, () => withoutSharing(options, there));
}

/** The build with threads, where it is of use: one thread has nothing of it, and a module that is given is of the build without. */
async function sharedIfWanted({ threads = 1, wasmModule, wasmBinary, wasmUrl }: LoadOptions): Promise<Core | undefined> {
  const given = wasmModule ?? wasmBinary ?? wasmUrl;
  if (threads < 2 || given !== undefined || !platform.canShareMemory()) return undefined;
  return once("wasm threads", () => withThreads()).catch(() => undefined);
}

async function withThreads(): Promise<Core> {
  try {
    const { core, module, memory } = await instantiateShared(await platform.wasmBytes("threads"));
    return threadedCore(core, { module, memory, spawn: () => platform.spawnThread(), notice: (line) => platform.notice(line) });
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the WebAssembly core with threads did not load (${firstLine(cause)})`, { cause });
  }
}

async function withoutSharing(options: LoadOptions, parallel: "workers" | "none"): Promise<Core> {
  const { core, module } = await oneInstance(options);
  if (parallel === "none") return core;
  return pooledCore(core, { module, spawn: () => platform.spawnFollower(), notice: (line) => platform.notice(line) });
}

/** The generated package holds one instance a thread, whatever is built around it. */
function oneInstance(options: LoadOptions): Promise<Instance> {
  instance ??= loadWasm(options);
  instance.catch(() => {
    instance = undefined;
  });
  return instance;
}

async function loadWasm(options: LoadOptions, make: (source: unknown) => Promise<Instance> = instantiate): Promise<Instance> {
  try {
    return await make(options.wasmModule ?? options.wasmBinary ?? options.wasmUrl ?? (await platform.wasmBytes("wasm")));
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the WebAssembly core did not load (${firstLine(cause)})`, { cause });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
}
