/** Finds and loads a core: native first in Node, WebAssembly everywhere else. */
import { platform } from "#platform";
import type { Core, Parallel } from "./core.ts";
import { TritlensError } from "./errors.ts";
import { type Instance, instantiate } from "./instantiate.ts";
import { pooledCore } from "./pool/pool.ts";

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
   * How WebAssembly uses more than one thread: `workers` shares steps out over instances in workers, `none` never does. `auto` takes what is there.
   * `TRITLENS_PARALLEL` sets the default in Node. Results have the same bits either way.
   */
  readonly parallel?: "auto" | Parallel;
  /** Threads, as {@link Core.setThreads} sets them; 1 when left out. */
  readonly threads?: number;
}

const loaded = new Map<string, Promise<Core>>();
let instance: Promise<Instance> | undefined;
let first: Core | undefined;

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
    const parallel = parallelOf(options);
    if (!loaded.has(`wasm ${parallel}`)) platform.notice(`tritlens: ${firstLine(error)}; using WebAssembly`);
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

/** What is asked for, or the best that this place has. */
function parallelOf(options: LoadOptions): Parallel {
  const wanted = options.parallel ?? platform.env("TRITLENS_PARALLEL") ?? "auto";
  switch (wanted) {
    case "workers":
    case "none":
      return wanted;
    case "auto":
      return platform.hasWorkers() ? "workers" : "none";
    default:
      throw new TritlensError("E_BACKEND", `unknown way to use threads "${wanted}"`, { expected: "auto, workers or none", found: wanted });
  }
}

function wasm(options: LoadOptions): Promise<Core> {
  const parallel = parallelOf(options);
  return once(`wasm ${parallel}`, async () => {
    const { core, module } = await oneInstance(options);
    if (parallel === "none") return core;
    return pooledCore(core, { module, spawn: () => platform.spawnFollower(), notice: (line) => platform.notice(line) });
  });
}

/** The generated package holds one instance a thread, whatever is built around it. */
function oneInstance(options: LoadOptions): Promise<Instance> {
  instance ??= loadWasm(options);
  instance.catch(() => {
    instance = undefined;
  });
  return instance;
}

async function loadWasm(options: LoadOptions): Promise<Instance> {
  try {
    return await instantiate(options.wasmModule ?? options.wasmBinary ?? options.wasmUrl ?? (await platform.wasmBytes()));
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the WebAssembly core did not load (${firstLine(cause)})`, { cause });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
}
