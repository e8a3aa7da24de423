/**
 * Builds an example of this crate for WebAssembly and runs it in Node: `node crates/kernels/run-wasm.mjs agree` or `... bench`.
 *
 * RUSTC and CARGO name the compiler when the default one lacks wasm32-unknown-unknown.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const crate = dirname(fileURLToPath(import.meta.url));
const target = "wasm32-unknown-unknown";
const example = process.argv[2] ?? "agree";
const targetDir = process.env.CARGO_TARGET_DIR ?? join(crate, "..", "..", "target");

const args = ["build", "--release", "--package", "tritlens-kernels", "--example", example, "--target", target];
const env = { ...process.env, CARGO_PROFILE_RELEASE_LTO: "off", RUSTFLAGS: "-C target-feature=+simd128", CARGO_TARGET_DIR: targetDir };
const built = spawnSync(process.env.CARGO ?? "cargo", args, { cwd: process.env.KERNELS_WORKSPACE ?? join(crate, "..", ".."), stdio: "inherit", env });
if (built.status !== 0) process.exit(built.status ?? 1);

const module = new WebAssembly.Module(readFileSync(join(targetDir, target, "release", "examples", `${example}.wasm`)));
const text = new TextDecoder();
const host = {
  now: () => performance.now(),
  say: (pointer, length) => console.log(text.decode(new Uint8Array(instance.exports.memory.buffer, pointer, length))),
};
const instance = new WebAssembly.Instance(module, { host });
instance.exports.main(0, 0);
