/**
 * Builds an example of this crate for WebAssembly and runs it in Node: `node crates/kernels/run-wasm.mjs agree` or `... bench [WORDS]`. What follows the example's
 * name are its arguments; it reads lines from stdin and writes lines to stdout.
 *
 * RUSTC and CARGO name the compiler when the default one lacks wasm32-unknown-unknown.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const crate = dirname(fileURLToPath(import.meta.url));
const target = "wasm32-unknown-unknown";
const example = process.argv[2] ?? "agree";
const targetDir = process.env.CARGO_TARGET_DIR ?? join(crate, "..", "..", "target");

const args = ["build", "--release", "--package", "tritlens-kernels", "--example", example, "--target", target];
const env = { ...process.env, CARGO_PROFILE_RELEASE_LTO: "off", RUSTFLAGS: "-C target-feature=+simd128", CARGO_TARGET_DIR: targetDir };
const cwd = process.env.KERNELS_WORKSPACE ?? join(crate, "..", "..");
const built = spawnSync(process.env.CARGO ?? "cargo", args, { cwd, stdio: ["ignore", "inherit", "inherit"], env });
if (built.status !== 0) process.exit(built.status ?? 1);

/** Input that has come and was not asked for yet. */
let rest = Buffer.alloc(0);

/** The next line of stdin, or null at its end. */
function nextLine() {
  const chunk = Buffer.alloc(4096);
  for (;;) {
    const end = rest.indexOf("\n");
    if (end >= 0) {
      const line = rest.subarray(0, end).toString();
      rest = rest.subarray(end + 1);
      return line;
    }
    const length = readSync(0, chunk, 0, chunk.length, null);
    if (length === 0) return null;
    rest = Buffer.concat([rest, chunk.subarray(0, length)]);
  }
}

const module = new WebAssembly.Module(readFileSync(join(targetDir, target, "release", "examples", `${example}.wasm`)));
const text = new TextDecoder();
const bytesAt = (pointer, length) => new Uint8Array(instance.exports.memory.buffer, pointer, length);
const host = {
  now: () => performance.now(),
  say: (pointer, length) => console.log(text.decode(bytesAt(pointer, length))),
  read: (what, pointer, length) => {
    const found = what === 0 ? process.argv.slice(3).join("\n") : nextLine();
    return found === null ? -1 : new TextEncoder().encodeInto(found, bytesAt(pointer, length)).written;
  },
};
const instance = new WebAssembly.Instance(module, { host });
instance.exports.main(0, 0);
