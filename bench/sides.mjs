/** Our own sides: the Rust program that measures kernels and limits, natively and in WebAssembly, and the SDK's training step. */
import { join } from "node:path";
import { root, run, windows } from "../scripts/lib/run.mjs";
import { wasmEnvironment } from "../scripts/wasm-toolchain.mjs";
import { startSide } from "./contest.mjs";

const targetDir = () => process.env.CARGO_TARGET_DIR ?? join(root, "target");
export const benchProgram = () => join(targetDir(), "release", "examples", windows ? "bench.exe" : "bench");

/** Builds the Rust program (release, as the addon is built). */
export async function buildKernels() {
  await run("kernel bench", "cargo", ["build", "--release", "--package", "tritlens-kernels", "--example", "bench"]);
  return benchProgram();
}

/** The Rust program, waiting for requests. */
export async function nativeKernels() {
  return startSide("kernels", await buildKernels(), ["serve"]);
}

/** The same program in WebAssembly, in Node. */
export async function wasmKernels() {
  const env = { ...process.env, ...(await wasmEnvironment()) };
  return startSide("wasm kernels", process.execPath, [join(root, "crates", "kernels", "run-wasm.mjs"), "bench", "serve"], { env });
}

/** The SDK's training step in a process of its own. */
export const sdk = (name, options) => startSide(name, process.execPath, [join(root, "bench", "contestant.mjs"), JSON.stringify(options)]);

/**
 * Opens a case on a side and returns what `measureInTurns` needs: `measure` resolves with billions of units a second (`per: "rate"`) or with milliseconds (`per: "ms"`).
 */
export async function opened(name, side, request, { ms, per = "rate" }) {
  const { case: number, work } = await side.ask({ ask: "open", ...request });
  const measure = async () => {
    const { seconds } = await side.ask({ ask: "time", case: number, ms });
    return per === "rate" ? work / seconds / 1e9 : seconds * 1e3;
  };
  return { name, measure };
}
