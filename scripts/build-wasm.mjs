/**
 * Builds the WASM package into bindings/wasm/pkg: wasm-pack (without its own downloads), then wasm-opt from npm's binaryen.
 * Does nothing when the sources have not changed since the last build.
 */
import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { digest, fresh, stamp } from "./lib/cache.mjs";
import { asProgram, packageBin, root, run, say } from "./lib/run.mjs";
import { wasmEnvironment } from "./wasm-toolchain.mjs";

const pkg = join(root, "bindings", "wasm", "pkg");
const binary = join(pkg, "tritlens_wasm_bg.wasm");
const stampFile = join(root, "node_modules", ".cache", "wasm.stamp");
const SOURCES = ["crates", "bindings/wasm/src", "bindings/wasm/Cargo.toml", "Cargo.toml", "Cargo.lock", ".cargo", "scripts/build-wasm.mjs"];

/** What the compiler may use by default; wasm-opt refuses a module with a feature it was not told of. */
const FEATURES = [
  "simd",
  "bulk-memory",
  "bulk-memory-opt",
  "sign-ext",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "multivalue",
];
const OPTIMISE = ["-O3", "--strip-debug", "--strip-producers", ...FEATURES.map((name) => `--enable-${name}`)];

export async function buildWasm() {
  if (fresh(stampFile, digest(SOURCES), [binary, join(pkg, "tritlens_wasm.js")])) return;
  const env = await wasmEnvironment();
  say("Building the WASM package");
  const args = ["build", "bindings/wasm", "--target", "web", "--release", "--mode", "no-install", "--no-opt", "--no-pack", "--out-dir", "pkg"];
  await run("wasm-pack", "wasm-pack", args, { env, rerun: "npm run build:wasm" });
  const raw = `${binary}.raw`;
  renameSync(binary, raw);
  const optimiser = packageBin("binaryen", "bin/wasm-opt");
  await run("wasm-opt", process.execPath, [optimiser, raw, "-o", binary, ...OPTIMISE], { rerun: "npm run build:wasm" });
  console.log(`wasm-opt: ${statSync(raw).size} -> ${statSync(binary).size} bytes`);
  rmSync(raw);
  // wasm-pack leaves a .gitignore that would keep the package's files out of `npm pack`.
  for (const name of readdirSync(pkg)) if (name === ".gitignore" || name === "package.json") rmSync(join(pkg, name));
  stamp(stampFile, digest(SOURCES));
}

await asProgram(import.meta, buildWasm);
