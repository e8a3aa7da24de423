/** Finds and loads a core: native first in Node, WebAssembly everywhere else. */
import { platform } from "#platform";
import type { Core } from "./core.ts";
import { TritlensError } from "./errors.ts";
import { type WasmBinding, wasmCore } from "./wasm.ts";

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
}

const loaded = new Map<"native" | "wasm", Promise<Core>>();
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
      return once("wasm", () => loadWasm(options));
    case "native":
      return once("native", async () => loadNative());
    case "auto":
      return platform.name === "node" ? nativeOrWasm(options) : once("wasm", () => loadWasm(options));
    default:
      throw new TritlensError("E_BACKEND", `unknown backend "${wanted}"`, { expected: "auto, native or wasm", found: wanted });
  }
}

async function nativeOrWasm(options: LoadOptions): Promise<Core> {
  try {
    return await once("native", async () => loadNative());
  } catch (error) {
    if (!loaded.has("wasm")) platform.notice(`tritlens: ${firstLine(error)}; using WebAssembly`);
    return once("wasm", () => loadWasm(options));
  }
}

/** A load that failed may be tried again. */
function once(backend: "native" | "wasm", start: () => Promise<Core>): Promise<Core> {
  const known = loaded.get(backend);
  if (known) return known;
  const promise = start();
  loaded.set(backend, promise);
  promise.catch(() => loaded.delete(backend));
  return promise;
}

function loadNative(): Core {
  try {
    return platform.loadNative();
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the native core did not load (${firstLine(cause)})`, { cause });
  }
}

async function loadWasm(options: LoadOptions): Promise<Core> {
  try {
    const source = options.wasmModule ?? options.wasmBinary ?? options.wasmUrl ?? (await platform.wasmBytes());
    const module = await import("@tritlens/wasm");
    const { memory } = await module.default(source === undefined ? undefined : { module_or_path: source });
    return wasmCore(module as unknown as WasmBinding, memory);
  } catch (cause) {
    throw new TritlensError("E_BACKEND", `the WebAssembly core did not load (${firstLine(cause)})`, { cause });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
}
