/** Makes an instance of the WebAssembly build, one a thread. */
import type { Core } from "./core.ts";
import { type WasmBinding, wasmCore } from "./wasm.ts";

/** An instance, and what it was made from. */
export interface Instance {
  readonly core: Core;
  /** The compiled module. */
  module(): WebAssembly.Module;
}

/** Loads the generated package and instantiates `source` (bytes, a compiled module or an address; the package's own file when left out). */
export async function instantiate(source?: unknown): Promise<Instance> {
  const binding = await import("@tritlens/wasm");
  const { memory } = await binding.default(source === undefined ? undefined : { module_or_path: source });
  const { compiledModule } = binding as unknown as { compiledModule: () => WebAssembly.Module };
  return { core: wasmCore(binding as unknown as WasmBinding, memory), module: () => compiledModule() };
}
