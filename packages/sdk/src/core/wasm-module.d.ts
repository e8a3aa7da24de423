/**
 * The generated package, as far as the adapter uses it. Declared here so that the SDK compiles before (and without) a WASM build; `Functions` covers
 * the rest, and the conformance suite proves that it is there.
 */
declare module "@tritlens/wasm" {
  const init: (options: { module_or_path?: unknown } | undefined) => Promise<{ memory: WebAssembly.Memory }>;
  export default init;
}

/** The same with threads over shared memory. */
declare module "@tritlens/wasm/threads" {
  const init: (options: { module_or_path?: unknown; memory?: WebAssembly.Memory } | undefined) => Promise<{ memory: WebAssembly.Memory }>;
  export default init;
  /** Lends the calling thread to the pool. */
  export function runThread(): boolean;
}
