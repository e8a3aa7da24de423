/**
 * A standard library for a target that rustup cannot fetch: Debian's compiler for browsers comes with the library's sources and their vendored
 * crates, which are compiled here once a machine and put into that compiler's sysroot.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./cache.mjs";
import { capture, run, StepError, say, which } from "./run.mjs";

/** rustc, cargo and the library's sources. */
const PACKAGES = ["rustc-web", "cargo-web", "rust-web-src"];
export const DEBIAN_RUSTC = "/usr/bin/rustc";
const DEBIAN_CARGO = "/usr/bin/cargo";
const LIBRARY = "/usr/lib/rustlib/src/rust/library";

const libFolder = (rustc, target) => join(capture(rustc, ["--print", "sysroot"]) ?? "", "lib", "rustlib", target, "lib");
/** Whether a folder holds a crate of the standard library. */
export const holds = (folder, crate) =>
  existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(`lib${crate}-`) && name.endsWith(".rlib"));

/** Whether a compiler runs and has `crate` (std, test) of the standard library for a target. */
export const hasTarget = (rustc, target, crate = "std") => capture(rustc, ["--version"]) !== null && holds(libFolder(rustc, target), crate);

/** Whether Debian packages can be installed: it takes Debian, and root. */
export const canInstall = () => which("apt-get") !== null && process.getuid?.() === 0;

/** Whether Debian's compiler is there or could be. */
export const canUseDebian = () => existsSync(LIBRARY) || canInstall();

/** Installs Debian packages; needs root. */
export async function aptInstall(packages) {
  await run("apt-get update", "apt-get", ["update", "-q"]);
  const args = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  await run("apt-get install", "apt-get", args, { env: { DEBIAN_FRONTEND: "noninteractive" } });
}

/** Installs the compiler, the library's sources and what else linking takes, where one of them is missing. */
export async function installDebianRust(packages) {
  const needed = [...PACKAGES, ...packages];
  if (capture("dpkg", ["-s", ...needed]) === null) await aptInstall(needed);
}

/** Compiles the library for a target (one to two minutes) into the compiler's own sysroot; `crates` as `-Zbuild-std` names them, `packages` are what else linking takes. */
export async function debianStd(target, crates, packages) {
  await installDebianRust(packages);
  say(`Compiling the Rust standard library for ${target}`);
  const lib = libFolder(DEBIAN_RUSTC, target);
  await buildStd(target, crates, { folder: cacheDir(`std-${target}`), lib, flags: "" });
  if (!hasTarget(DEBIAN_RUSTC, target)) throw new StepError(`no standard library in ${lib} after building it`);
}

/** Compiles the library's `crates` for a target with rustc's `flags`, in `folder`, and copies it to `lib`. */
export async function buildStd(target, crates, { folder, lib, flags }) {
  const crate = emptyCrate(folder);
  // A library left by an interrupted build would come along.
  rmSync(join(crate, "target"), { recursive: true, force: true });
  const env = { RUSTC: DEBIAN_RUSTC, RUSTC_BOOTSTRAP: "1", CARGO_TARGET_DIR: join(crate, "target"), RUSTFLAGS: flags };
  const args = ["build", "--release", `-Zbuild-std=${crates}`, "--target", target];
  await run(`standard library for ${target}`, DEBIAN_CARGO, args, { cwd: crate, env });
  const built = join(crate, "target", target, "release", "deps");
  mkdirSync(lib, { recursive: true });
  const libraries = readdirSync(built).filter((file) => file.endsWith(".rlib") && !file.startsWith("libempty"));
  for (const name of libraries) cpSync(join(built, name), join(lib, name));
}

/** A crate with nothing in it, whose dependencies (those of the standard library) come from the vendored sources. */
function emptyCrate(folder) {
  mkdirSync(join(folder, ".cargo"), { recursive: true });
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "Cargo.toml"), '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[lib]\n[workspace]\n');
  writeFileSync(join(folder, "src", "lib.rs"), "");
  const vendored = `[source.crates-io]\nreplace-with = "vendored"\n[source.vendored]\ndirectory = "${LIBRARY}/vendor"\n`;
  writeFileSync(join(folder, ".cargo", "config.toml"), vendored);
  return folder;
}
