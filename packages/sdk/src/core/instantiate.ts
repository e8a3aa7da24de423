/** Makes an instance of the WebAssembly build, one a thread. */
import type { Core } from "./core.ts";
import { type WasmBinding, wasmCore } from "./wasm.ts";

/** An instance, and what it was made from. */
export interface Instance {
  readonly core: Core;
  /** The compiled module. */
  module(): WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** Loads the generated package and instantiates `source` (bytes, a compiled module or an address; the package's own file when left out). */
export async function instantiate(source?: unknown): Promise<Instance> {
  return instantiateGenerated(await import("@tritlens/wasm"), source);
}

/** As {@link instantiate}, the build whose memory can be shared. */
export async function instantiateShared(source?: unknown): Promise<Instance> {
  return instantiateGenerated(await import("@tritlens/wasm/threads"), source);
}

/** What every generated package exports. */
export interface Generated {
  /** Instantiates the module. */
  readonly default: (options: { module_or_path?: unknown } | undefined) => Promise<GeneratedInstance>;
}

/** What instantiating gives. */
export interface GeneratedInstance {
  /** The instance's memory. */
  readonly memory: WebAssembly.Memory;
}

/** Instantiates the module of a generated package. */
export async function instantiateGenerated(binding: Generated, source: unknown): Promise<Instance> {
  const { memory } = await binding.default(source === undefined ? undefined : { module_or_path: source });
  const { compiledModule } = binding as unknown as { compiledModule: () => WebAssembly.Module };
  return { core: wasmCore(binding as unknown as WasmBinding, memory), module: () => compiledModule(), memory };
}
