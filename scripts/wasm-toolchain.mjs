/**
 * Finds or builds what the WASM build needs, and says where it is:
 *
 * 1. a rustc with the standard library of wasm32-unknown-unknown: the installed target, else `rustup target add`, else (Debian, root) the
 *    distribution's rust-web packages, whose library sources are compiled here once and put into that compiler's sysroot;
 * 2. wasm-bindgen, in exactly the version of the crate in Cargo.lock, and wasm-pack: from PATH or `cargo install` into the cache folder.
 *
 * Everything lands outside of the clone (see lib/cache.mjs), so that a second run, of any clone, finds it and does nothing.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cacheDir } from "./lib/cache.mjs";
import { buildStd, canUseDebian, DEBIAN_RUSTC, debianStd, hasTarget, holds, installDebianRust } from "./lib/debian-rust.mjs";
import { asProgram, capture, root, run, StepError, say, which, windows } from "./lib/run.mjs";

const TARGET = "wasm32-unknown-unknown";
const WASM_PACK = "0.15.1";
/** What Debian's compiler needs to link WebAssembly. */
const DEBIAN_LINKER = ["rust-web-llvm", "lld-22"];

/** The rustc to build WASM with (null: the default one), after whatever has to be installed for it. */
async function rustcForWasm() {
  if (hasTarget("rustc", TARGET)) return null;
  if (which("rustup")) {
    say(`rustup target add ${TARGET}`);
    if (capture("rustup", ["target", "add", TARGET]) !== null && hasTarget("rustc", TARGET)) return null;
    console.log("  rustup could not fetch it; trying the distribution's compiler");
  }
  if (hasTarget(DEBIAN_RUSTC, TARGET)) return DEBIAN_RUSTC;
  await debianFallback();
  return DEBIAN_RUSTC;
}

/**
 * A sysroot of our own with the standard library compiled with `rustflags`; null, with the reason said, where it cannot be had. It needs the library's
 * sources with vendored crates, which Debian's packages have; -Zbuild-std is an unstable flag, which RUSTC_BOOTSTRAP lets a stable compiler take.
 */
async function ownSysroot(kind, rustflags) {
  if (!canUseDebian()) {
    console.log(`  no standard library with ${kind}: its sources come with Debian's packages, which only root can install`);
    return null;
  }
  await installDebianRust(DEBIAN_LINKER);
  const version = capture(DEBIAN_RUSTC, ["--version"])?.replace(/\W+/g, "-") ?? "unknown";
  const folder = cacheDir(`wasm-std-${kind}-${version}`.replaceAll(" ", "-"));
  const sysroot = join(folder, "sysroot");
  const lib = join(sysroot, "lib", "rustlib", TARGET, "lib");
  if (holds(lib, "std")) return sysroot;
  say(`Compiling the Rust standard library for ${TARGET} (${kind})`);
  // The bitcode is for the link-time optimisation of our own builds.
  await buildStd(TARGET, "std,panic_abort", { folder: join(folder, "crate"), lib, flags: `${rustflags} -C embed-bitcode=yes` });
  return sysroot;
}

/** Gives Debian's compiler a standard library for WASM (about a minute and a half, once a machine). */
async function debianFallback() {
  const missing = `the Rust target ${TARGET} is missing and could not be fetched; install it with: rustup target add ${TARGET}`;
  if (!canUseDebian())
    throw new StepError(`wasm toolchain: ${missing}, or run this as root on Debian, which installs ${DEBIAN_LINKER.join(", ")} and more`);
  await debianStd(TARGET, "std,panic_abort", DEBIAN_LINKER);
}

/** The version of the wasm-bindgen crate in Cargo.lock: the command line tool has to equal it. */
function bindgenVersion() {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const found = /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(lock.replaceAll("\r", ""));
  if (!found) throw new StepError("wasm toolchain: wasm-bindgen is not in Cargo.lock");
  return found[1];
}

/** The folder with `bin` in `version`: wherever PATH has it, else the cache, else built from source into the cache. */
async function cargoTool(crate, bin, version) {
  const onPath = which(bin);
  if (onPath && capture(onPath, ["--version"])?.includes(version)) return join(onPath, "..");
  const place = cacheDir(`${crate}-${version}`);
  const program = join(place, "bin", windows ? `${bin}.exe` : bin);
  if (!existsSync(program)) {
    say(`cargo install ${crate} ${version} (once a machine)`);
    // A target folder of its own: the clone's would mix two profiles, and cargo's default is a temporary one that an interruption loses.
    const env = { CARGO_TARGET_DIR: cacheDir("build") };
    await run(crate, "cargo", ["install", "--locked", "--version", version, crate, "--root", place], { env });
  }
  return join(place, "bin");
}

/** The environment in which `wasm-pack build --mode no-install` works. */
export async function wasmEnvironment() {
  const rustc = await rustcForWasm();
  const folders = [await cargoTool("wasm-bindgen-cli", "wasm-bindgen", bindgenVersion()), await cargoTool("wasm-pack", "wasm-pack", WASM_PACK)];
  return { PATH: [...folders, process.env.PATH].join(delimiter), ...(rustc ? { RUSTC: rustc } : {}) };
}

/** What the linker is told for memory that instances share; the exports are those from which wasm-bindgen makes each thread its own stack and locals. */
const SHARED_MEMORY = [
  "--shared-memory",
  "--import-memory",
  "--max-memory=2147483648",
  ...["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base", "__heap_base"].map((name) => `--export=${name}`),
];

/**
 * As {@link wasmEnvironment}, for the build with threads; null where it cannot be made. A stable compiler takes the atomics but says `cfg(target_feature =
 * "atomics")` only under RUSTC_BOOTSTRAP, and without that wasm-bindgen would not know that there are threads.
 */
export async function threadsEnvironment() {
  const sysroot = await ownSysroot("atomics", "-C target-feature=+atomics,+bulk-memory,+mutable-globals");
  if (!sysroot) return null;
  const features = "-C target-feature=+simd128,+atomics,+bulk-memory,+mutable-globals";
  return ownEnvironment([`--sysroot ${sysroot}`, features, ...SHARED_MEMORY.map((flag) => `-C link-arg=${flag}`)]);
}

async function ownEnvironment(flags) {
  return { ...(await wasmEnvironment()), RUSTC: DEBIAN_RUSTC, RUSTC_BOOTSTRAP: "1", RUSTFLAGS: flags.join(" ") };
}

/** As {@link wasmEnvironment}, with relaxed SIMD. */
export async function relaxedEnvironment() {
  return { ...(await wasmEnvironment()), RUSTFLAGS: "-C target-feature=+simd128,+relaxed-simd" };
}

/** Panics that say nothing: their words, and the code that makes them, are a tenth of a small module. */
const SILENT = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none";

/** As {@link wasmEnvironment}, with panics that only trap; with those of the usual library where that is all there is. */
export async function silentEnvironment() {
  const sysroot = await ownSysroot("silent panics", SILENT);
  if (!sysroot) return wasmEnvironment();
  return ownEnvironment([`--sysroot ${sysroot}`, "-C target-feature=+simd128", SILENT]);
}

await asProgram(import.meta, async () => {
  const env = await wasmEnvironment();
  console.log(`WASM toolchain ready: ${env.RUSTC ?? "rustc"}, ${which("cargo")}`);
});
