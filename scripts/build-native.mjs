/**
 * Builds the Node addon of this machine into bindings/node, with its loader (index.js) and its types (index.d.ts).
 * Does nothing when the sources have not changed since the last build.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { digest, fresh, stamp } from "./lib/cache.mjs";
import { asProgram, capture, packageBin, root, run, say } from "./lib/run.mjs";

const folder = join(root, "bindings", "node");
const stampFile = join(root, "node_modules", ".cache", "native.stamp");
const SOURCES = [
  "crates",
  "bindings/node/src",
  "bindings/node/Cargo.toml",
  "bindings/node/build.rs",
  "bindings/node/package.json",
  "Cargo.toml",
  "Cargo.lock",
];

/** The addon lies beside its loader under a name with the platform in it. */
const addons = () => readdirSync(folder).filter((name) => name.endsWith(".node"));

export async function buildNative() {
  const value = digest(SOURCES, `${capture("rustc", ["--version"])} ${process.platform} ${process.arch}`);
  if (addons().length > 0 && fresh(stampFile, value, [join(folder, "index.js"), join(folder, "index.d.ts")])) return;
  say("Building the native addon");
  const args = ["build", "--platform", "--release", "--strip", "--no-js", "--dts", "index.d.ts", "--no-dts-cache"];
  const cli = packageBin("@napi-rs/cli", "dist/cli.js");
  await run("native addon", process.execPath, [cli, ...args], { cwd: folder, rerun: "npm run build:native" });
  // Cargo may have written Cargo.lock: the stamp is taken from what is there now.
  stamp(stampFile, digest(SOURCES, `${capture("rustc", ["--version"])} ${process.platform} ${process.arch}`));
}

await asProgram(import.meta, buildNative);
