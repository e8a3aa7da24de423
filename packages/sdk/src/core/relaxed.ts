/** Whether relaxed SIMD can be used here. */

/** A module whose one function does nothing but `i8x16.relaxed_swizzle`. */
export const RELAXED_PROBE: Uint8Array<ArrayBuffer> = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0], // \0asm, version 1
  ...[1, 5, 1, 96, 0, 1, 123], // type: () -> v128
  ...[3, 2, 1, 0], // one function of it
  ...[10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11], // two splats, the instruction, end
);

/**
 * Whether this engine takes the build with relaxed SIMD (bindings/wasm/pkg-relaxed, see docs/wasm.md), which `loadCore` never chooses by itself: its f32 products may differ in
 * their last bits from the default build's, and from machine to machine.
 */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_PROBE);
}
