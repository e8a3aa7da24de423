/**
 * Builds the WASM packages: wasm-pack (without its own downloads), then wasm-opt from npm's binaryen. `node scripts/build-wasm.mjs [VARIANT ...]`
 *
 * | variant | folder in bindings/wasm | what it is |
 * |---|---|---|
 * | default | pkg | everything, one thread |
 * | threads | pkg-threads | everything over shared memory; needs a standard library with atomics (wasm-toolchain.mjs) |
 * | inference | pkg-inference | without gradients and the trainer, compiled for size, panics without words |
 * | relaxed | pkg-relaxed | f32 products with relaxed SIMD, whose last bits depend on the machine; made only when asked for |
 *
 * Each does nothing when the sources have not changed since its last build.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { digest, fresh, stamp } from "./lib/cache.mjs";
import { asProgram, packageBin, root, run, StepError, say } from "./lib/run.mjs";
import { relaxedEnvironment, silentEnvironment, threadsEnvironment, wasmEnvironment } from "./wasm-toolchain.mjs";

const SOURCES = [
  "crates",
  "bindings/wasm/src",
  "bindings/wasm/Cargo.toml",
  "Cargo.toml",
  "Cargo.lock",
  ".cargo",
  "scripts/build-wasm.mjs",
  "scripts/wasm-toolchain.mjs",
];

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
/** Code that runs once a call or once a node, where size counts and speed does not (training and sweeps are as fast either way); kernels are compiled for speed. */
const SMALL = ["serde", "serde_core", "serde_json", "ndarray", "tritlens-core", "tritlens-wasm"];
const small = (level, packages) => packages.flatMap((name) => ["--config", `profile.release.package.${name}.opt-level="${level}"`]);

const VARIANTS = {
  default: { out: "pkg", name: "tritlens_wasm", environment: wasmEnvironment, cargo: small("s", SMALL), features: [] },
  threads: {
    out: "pkg-threads",
    name: "tritlens_threads",
    environment: threadsEnvironment,
    cargo: ["--features", "threads", ...small("s", SMALL)],
    features: ["threads"],
  },
  inference: {
    out: "pkg-inference",
    name: "tritlens_inference",
    environment: silentEnvironment,
    cargo: [
      "--no-default-features",
      "--features",
      "lean",
      "--config",
      'profile.release.opt-level="z"',
      "--config",
      "profile.release.package.tritlens-kernels.opt-level=3",
    ],
    features: [],
  },
  relaxed: { out: "pkg-relaxed", name: "tritlens_relaxed", environment: relaxedEnvironment, cargo: small("s", SMALL), features: ["relaxed-simd"] },
};

/** Where a variant's module lies. */
export function wasmFile(variant) {
  const { out, name } = VARIANTS[variant];
  return join(root, "bindings", "wasm", out, `${name}_bg.wasm`);
}

/** Builds one variant; false where its toolchain cannot be had. */
export async function buildWasm(variant = "default") {
  const { out, name, environment, cargo, features } = VARIANTS[variant];
  const pkg = join(root, "bindings", "wasm", out);
  const binary = wasmFile(variant);
  const stampFile = join(root, "node_modules", ".cache", `wasm-${variant}.stamp`);
  if (fresh(stampFile, digest(SOURCES), [binary, join(pkg, `${name}.js`)])) return true;
  const env = await environment();
  if (!env) return false;
  say(`Building the WASM package (${variant})`);
  const rerun = `node scripts/build-wasm.mjs ${variant}`;
  // A folder of its own for each variant: they differ in flags, which would make cargo start anew at each change.
  const target = { CARGO_TARGET_DIR: join(root, "target", variant === "default" ? "" : `wasm-${variant}`) };
  const common = ["build", "bindings/wasm", "--target", "web", "--release", "--mode", "no-install", "--no-opt", "--no-pack"];
  const args = [...common, "--out-dir", out, "--out-name", name, "--", ...cargo];
  await run("wasm-pack", "wasm-pack", args, { env: { ...env, ...target }, rerun });
  const raw = `${binary}.raw`;
  renameSync(binary, raw);
  const optimise = ["-O3", "--strip-debug", "--strip-producers", ...[...FEATURES, ...features].map((feature) => `--enable-${feature}`)];
  await run("wasm-opt", process.execPath, [packageBin("binaryen", "bin/wasm-opt"), raw, "-o", binary, ...optimise], { rerun });
  console.log(`wasm-opt: ${statSync(raw).size} -> ${statSync(binary).size} bytes`);
  rmSync(raw);
  // wasm-pack leaves a .gitignore that would keep the package's files out of `npm pack`.
  for (const file of readdirSync(pkg)) if (file === ".gitignore" || file === "package.json") rmSync(join(pkg, file));
  stamp(stampFile, digest(SOURCES));
  return existsSync(binary);
}

/** Every build but the relaxed one; the one with threads where it can be made. */
export async function buildAllWasm() {
  await buildWasm("default");
  await buildWasm("inference");
  if (!(await buildWasm("threads"))) console.log("  WebAssembly will use workers without shared memory");
}

await asProgram(import.meta, async (variants) => {
  const unknown = variants.find((variant) => !(variant in VARIANTS));
  if (unknown) throw new StepError(`no variant is called ${unknown}; there are ${Object.keys(VARIANTS).join(", ")}`);
  if (variants.length === 0) await buildAllWasm();
  for (const variant of variants) if (!(await buildWasm(variant))) throw new StepError(`the ${variant} build cannot be made here`);
});
