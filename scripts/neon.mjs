/**
 * The kernels' agreement tests with the NEON table, on any Linux: compiled for aarch64 (static, linked by Rust's own lld) and run by qemu. On an
 * aarch64 machine `cargo test` has run them already. Where the parts cannot be had this says so in capitals and does not fail: NEON is then untested.
 */
import { join } from "node:path";
import { asProgram, capture, root, run, say, which } from "./lib/run.mjs";

const TARGET = "aarch64-unknown-linux-musl";

/** Why NEON cannot be tested here, or null. */
async function obstacle() {
  if (process.platform !== "linux") return "it needs Linux and qemu-user";
  if (!which("rustup") || capture("rustup", ["target", "add", TARGET]) === null) return `rustup could not fetch ${TARGET}`;
  if (emulator()) return null;
  if (which("apt-get") && process.getuid?.() === 0) {
    const options = { env: { DEBIAN_FRONTEND: "noninteractive" } };
    await run("apt-get install", "apt-get", ["install", "-y", "-q", "--no-install-recommends", "qemu-user-static"], options).catch(() => undefined);
  }
  return emulator() ? null : "qemu-aarch64-static is not installed (apt-get install qemu-user-static)";
}

const emulator = () => which("qemu-aarch64-static", "qemu-aarch64");

/** Runs the tests; `onLine` sees cargo's lines. */
export async function neonTests(onLine = () => undefined) {
  if (process.arch === "arm64") return console.log("this machine has NEON: cargo test has run it");
  const reason = await obstacle();
  if (reason) return console.log(`\n!!! NOT TESTED: NEON (${reason})\n`);
  say("cargo test, kernels: neon under qemu");
  const env = {
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER: "rust-lld",
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER: `${emulator()} -cpu max`,
    CARGO_PROFILE_RELEASE_LTO: "off",
    CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "neon"),
  };
  // The other tests start themselves as a child process, which qemu's user mode cannot do.
  const args = ["test", "--release", "-p", "tritlens-kernels", "--target", TARGET, "--test", "agree"];
  await run("kernels on NEON", "cargo", args, { env, onLine, rerun: "node scripts/neon.mjs" });
}

await asProgram(import.meta, () => neonTests());
