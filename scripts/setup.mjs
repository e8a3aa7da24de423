/**
 * Everything between a fresh clone and running: checks Node and Rust, installs node_modules, builds the addon, the WASM package (unless
 * `--native-only`) and the TypeScript. Each part does nothing when it is up to date. Needs no package itself.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { digest, fresh, stamp } from "./lib/cache.mjs";
import { asProgram, capture, npm, root, run, StepError, say } from "./lib/run.mjs";

const MIN_NODE = [20, 19];
const MIN_RUST = [1, 89];

const less = (found, wanted) => found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1]);
const version = (text) => (/(\d+)\.(\d+)/.exec(text ?? "") ?? [0, 0, 0]).slice(1, 3).map(Number);

/** Says plainly everything that is missing, at once. */
export function checkTools() {
  const missing = [];
  if (less(version(process.versions.node), MIN_NODE))
    missing.push(`Node ${MIN_NODE.join(".")} or newer (this is ${process.versions.node}): https://nodejs.org`);
  const rust = capture("cargo", ["--version"]);
  if (rust === null) missing.push(`a Rust toolchain, ${MIN_RUST.join(".")} or newer, with cargo on PATH: https://rustup.rs`);
  else if (less(version(rust), MIN_RUST)) missing.push(`Rust ${MIN_RUST.join(".")} or newer (this is ${rust}): rustup update`);
  if (missing.length > 0) throw new StepError(`setup: missing\n${missing.map((line) => `  - ${line}`).join("\n")}`, "npm run setup");
}

/** npm ci when node_modules does not match the lockfile. */
async function installPackages() {
  const stampFile = join(root, "node_modules", ".cache", "packages.stamp");
  const value = digest(
    ["package-lock.json", "package.json", "packages/sdk/package.json"],
    `${process.platform} ${process.arch} ${process.versions.node}`,
  );
  if (fresh(stampFile, value, [join(root, "node_modules", "typescript")])) return;
  say("Installing packages");
  const [command, args] = npm(["--no-audit", "--no-fund", "--loglevel", "error"]);
  try {
    await run("npm ci", command, [...args, "ci"]);
  } catch {
    // A registry that lacks another platform's optional package makes `npm ci` refuse the whole lockfile; this installs the same versions.
    console.log("npm ci did not work here; installing the locked versions with npm install");
    await run("npm install", command, [...args, "install", "--no-save"], { rerun: "npm install --no-save" });
  }
  mkdirSync(join(root, "node_modules", ".cache"), { recursive: true });
  stamp(stampFile, value);
}

/** `wasm: false` leaves out the WASM package and its toolchain. */
export async function setup({ wasm = true } = {}) {
  checkTools();
  if (!existsSync(join(root, "Cargo.toml"))) throw new StepError("setup: run it inside a clone of the repository");
  await installPackages();
  // Imported late: they are of use only once the packages are there.
  const { buildNative } = await import("./build-native.mjs");
  const { buildAllWasm } = await import("./build-wasm.mjs");
  const { buildSdk } = await import("./build-sdk.mjs");
  const { buildBrowser } = await import("./build-browser.mjs");
  await buildNative();
  if (wasm) await buildAllWasm();
  await buildSdk();
  if (wasm) await buildBrowser();
}

await asProgram(import.meta, (args) => setup({ wasm: !args.includes("--native-only") }));
