//! The benchmark as an example, so that `run-wasm.mjs bench` can run it in WebAssembly.

#[path = "../benches/kernels.rs"]
mod kernels;

fn main() {
    kernels::main();
}
