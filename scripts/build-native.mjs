/**
 * Builds the Node addon of this machine and its types (index.d.ts) into bindings/node, beside the loader.
 * Does nothing when the sources have not changed since the last build.
 */
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { digest, fresh, stamp } from "./lib/cache.mjs";
import { asProgram, capture, packageBin, root, run, say } from "./lib/run.mjs";

const folder = join(root, "bindings", "node");
const fresher = join(folder, ".build");
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

/** What the addon depends on. */
const state = () => digest(SOURCES, `${capture("rustc", ["--version"])} ${process.platform} ${process.arch}`);

export async function buildNative() {
  const built = readdirSync(folder).some((name) => name.endsWith(".node"));
  if (built && fresh(stampFile, state(), [join(folder, "index.d.ts")])) return;
  say("Building the native addon");
  mkdirSync(fresher, { recursive: true });
  const args = ["build", "--platform", "--release", "--strip", "--no-js", "--dts", "index.d.ts", "--no-dts-cache", "--output-dir", fresher];
  const cli = packageBin("@napi-rs/cli", "dist/cli.js");
  await run("native addon", process.execPath, [cli, ...args], { cwd: folder, rerun: "npm run build:native" });
  // Moved, not written over: a training run that has the old addon loaded must not see its pages change.
  for (const name of readdirSync(fresher)) renameSync(join(fresher, name), join(folder, name));
  // Cargo may have written Cargo.lock, so the stamp is of what is there now.
  stamp(stampFile, state());
}

await asProgram(import.meta, buildNative);
