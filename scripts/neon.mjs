/**
 * The kernels' agreement and guard tests with every aarch64 table, on any Linux: compiled for aarch64 and run by qemu, which emulates a processor
 * with dotprod and i8mm, then one without i8mm, then one without both. On an aarch64 machine `cargo test` has run what that machine has. What cannot
 * run is at least compiled, and where the parts cannot be had this says so in capitals and does not fail: the aarch64 tables are then untested.
 */
import { join } from "node:path";
import { aptInstall, canInstall, canUseDebian, DEBIAN_RUSTC, debianStd, hasTarget } from "./lib/debian-rust.mjs";
import { asProgram, capture, root, run, say, which } from "./lib/run.mjs";

/** What rustup may fetch: static, linked by Rust's own lld. */
const MUSL = "aarch64-unknown-linux-musl";
/** What Debian's compiler can be given, with Debian's cross linker. */
const GNU = "aarch64-unknown-linux-gnu";
const CROSS_GCC = "aarch64-linux-gnu-gcc";
const CROSS_PACKAGES = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];

/** Processors to emulate, the best table of each, and which tests it runs: all of them, or those whose names contain one of the words. */
const PROCESSORS = [
  { cpu: "max", isa: "neoni8mm", tests: [] },
  { cpu: "neoverse-n1", isa: "neondot", tests: ["expected_tables", "packed"] },
  { cpu: "cortex-a53", isa: "neon", tests: ["expected_tables", "packed"] },
];

const emulator = () => which("qemu-aarch64-static", "qemu-aarch64");
const debian = { target: GNU, env: { RUSTC: DEBIAN_RUSTC, RUSTFLAGS: "-C target-feature=+crt-static" }, linker: CROSS_GCC };

/** A compiler for aarch64, or why there is none. */
async function compiler() {
  if (which("rustup") && capture("rustup", ["target", "add", MUSL]) !== null) return { target: MUSL, env: {}, linker: "rust-lld" };
  const missing = `rustup could not fetch ${MUSL}`;
  if (!canUseDebian()) return missing;
  try {
    if (!which(CROSS_GCC) || !hasTarget(DEBIAN_RUSTC, GNU, "test")) await debianStd(GNU, "std,panic_unwind,test", CROSS_PACKAGES);
    return debian;
  } catch (error) {
    return `${missing}, and with Debian's compiler: ${error.message}`;
  }
}

/** Why aarch64 programs cannot run here, or null. */
async function noEmulator() {
  if (process.platform !== "linux") return "it needs Linux and qemu-user";
  if (!emulator() && canInstall()) await aptInstall(["qemu-user-static"]).catch(() => undefined);
  return emulator() ? null : "qemu-aarch64-static is not installed (apt-get install qemu-user-static)";
}

/** Runs the tests; `onLine` sees cargo's lines. */
export async function neonTests(onLine = () => undefined) {
  if (process.arch === "arm64") return console.log("this machine is an aarch64: cargo test has run its tables");
  const found = await compiler();
  if (typeof found === "string") return untested(found);
  const reason = await noEmulator();
  if (reason === null) for (const processor of PROCESSORS) await testsOn(processor, found, onLine);
  else {
    const args = ["check", "--release", "-p", "tritlens-kernels", "--tests", "--target", found.target];
    await run("kernels for aarch64", "cargo", args, { env: environment(found) });
    untested(`compiled only: ${reason}`);
  }
}

const untested = (reason) => console.log(`\n!!! NOT TESTED: ${PROCESSORS.map(({ isa }) => isa).join(", ")} (${reason})\n`);

/** What cargo has to know about a compiler. */
const environment = ({ target, env, linker }) => ({
  ...env,
  [`CARGO_TARGET_${variable(target)}_LINKER`]: linker,
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "neon"),
});

const variable = (target) => target.toUpperCase().replaceAll("-", "_");

async function testsOn({ cpu, isa, tests }, found, onLine) {
  say(`cargo test, kernels: ${isa} under qemu (${cpu})`);
  const env = {
    ...environment(found),
    [`CARGO_TARGET_${variable(found.target)}_RUNNER`]: `${emulator()} -cpu ${cpu}`,
    // The best table of this processor: where it is not found, the tests fail.
    TRITLENS_ISA: isa,
  };
  // The other tests start themselves as a child process, which qemu's user mode cannot do.
  const args = ["test", "--release", "-p", "tritlens-kernels", "--target", found.target, "--test", "agree", "--test", "guard", "--", ...tests];
  await run(`kernels on ${isa}`, "cargo", args, { env, onLine, rerun: "node scripts/neon.mjs" });
}

await asProgram(import.meta, () => neonTests());
