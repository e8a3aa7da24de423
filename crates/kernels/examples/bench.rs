//! The benchmark as an example: `bench/` and `run-wasm.mjs bench` run it, natively and in WebAssembly.

#[path = "../benches/kernels/main.rs"]
mod kernels;

fn main() {
    kernels::main();
}
