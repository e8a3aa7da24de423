/**
 * Puts peers into throw-away places under the cache folder and starts them: PyTorch in a virtual environment, ggml built from the llama-cpp-python source package,
 * onnxruntime and TensorFlow.js from npm. Every one is optional: what cannot be had is said, and the bench goes on without it.
 */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cacheDir, digest, fresh, stamp } from "../../scripts/lib/cache.mjs";
import { capture, npm, root, run, say, which, windows } from "../../scripts/lib/run.mjs";
import { startSide } from "../contest.mjs";

const inVenv = (venv, program) => join(venv, windows ? "Scripts" : "bin", windows ? `${program}.exe` : program);
const file = (name) => join(root, "bench", "peers", name);

/** A virtual environment with these packages, made once. */
async function virtualEnvironment(name, packages) {
  const venv = join(cacheDir("bench"), name);
  const python = inVenv(venv, "python");
  if (!existsSync(join(venv, "complete"))) {
    say(`Installing ${packages.join(", ")} into ${venv}`);
    await run(name, which("python3", "python") ?? "python3", ["-m", "venv", venv]);
    await run(name, python, ["-m", "pip", "install", "--quiet", ...packages]);
    writeFileSync(join(venv, "complete"), "");
  }
  return { venv, python };
}

/** An interpreter with torch: the one given, or one made here. */
export async function pythonWithTorch(given) {
  const python = given ?? (await virtualEnvironment("venv", ["torch", "numpy"])).python;
  if (capture(python, ["-c", "import torch"]) === null) throw new Error(`${python} has no torch`);
  return python;
}

/** The llama.cpp inside of the unpacked source package, which holds ggml. */
async function ggmlSources(python) {
  const folder = cacheDir("bench", "llama-cpp-python");
  const unpacked = () => readdirSync(folder).find((name) => existsSync(join(folder, name, "vendor", "llama.cpp", "ggml")));
  if (!unpacked()) {
    say("Fetching the source package of llama-cpp-python");
    await run("llama-cpp-python", python, [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--no-deps",
      "--no-binary",
      "llama-cpp-python",
      "-d",
      folder,
      "llama-cpp-python",
    ]);
    const archive = readdirSync(folder).find((name) => name.endsWith(".tar.gz"));
    await run("llama-cpp-python", "tar", ["-xzf", archive], { cwd: folder });
  }
  return join(folder, unpacked(), "vendor", "llama.cpp");
}

/** Builds ggml for this processor and our driver beside it; does nothing when neither has changed. */
async function ggmlProgram() {
  const { venv, python } = await virtualEnvironment("venv-cmake", ["cmake"]);
  const source = await ggmlSources(python);
  const build = cacheDir("bench", "ggml");
  const program = join(build, "ggml_matmul");
  const state = digest(["bench/peers/ggml_matmul.cpp"], source);
  if (fresh(join(build, "stamp"), state, [program])) return program;
  say("Building ggml");
  const cmake = inVenv(venv, "cmake");
  const options = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_BUILD_TESTS=OFF",
    "-DGGML_BUILD_EXAMPLES=OFF",
  ];
  await run("ggml", cmake, ["-S", source, "-B", join(build, "build"), ...options]);
  await run("ggml", cmake, ["--build", join(build, "build"), "--target", "ggml", "--parallel", String(availableParallelism())]);
  const libraries = ["ggml", "ggml-cpu", "ggml-base"].map((name) => join(build, "build", "ggml", "src", `lib${name}.a`));
  // The OpenMP flag is what ggml itself was built with where the compiler has it.
  const args = [
    "-O2",
    "-std=c++17",
    "-fopenmp",
    "-I",
    join(source, "ggml", "include"),
    file("ggml_matmul.cpp"),
    "-o",
    program,
    ...libraries,
    "-lpthread",
    "-ldl",
    "-lm",
  ];
  await run("ggml driver", which("c++", "g++", "clang++") ?? "c++", args);
  stamp(join(build, "stamp"), state);
  return program;
}

const NPM = ["onnxruntime-node", "onnxruntime-web", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"];

/** The folder with the npm peers. Their scripts are not run: they fetch parts for graphics cards. */
async function npmPeers() {
  const folder = cacheDir("bench", "npm");
  if (!existsSync(join(folder, "complete"))) {
    say(`Installing ${NPM.join(", ")} into ${folder}`);
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    await run("npm peers", ...npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", ...NPM]), { cwd: folder });
    writeFileSync(join(folder, "complete"), "");
  }
  return folder;
}

/** Resolves with what `start` gives, or says what is missing and resolves with nothing. */
export async function optional(name, start) {
  try {
    return await start();
  } catch (error) {
    console.log(`\n!!! NOT MEASURED: ${name} (${error.message})\n`);
    return undefined;
  }
}

/** ggml's types for what we pack; the others are what people use instead, measured beside the 2-bit format. */
const GGML_TYPES = { ternary2: ["TQ2_0", "Q4_0", "Q4_0 repacked", "Q8_0", "F32"], ternary5: ["TQ1_0"], binary: ["Q1_0"] };

/** A peer: its side, the types that stand beside each of our formats, the name of its f32 product, and whether it takes a ring of weights. */
export const startGgml = () =>
  optional("ggml", async () => ({ label: "ggml", side: startSide("ggml", await ggmlProgram(), []), types: GGML_TYPES, f32: "F32", rings: true }));

export const startOnnxruntime = (kind) =>
  optional(`onnxruntime-${kind}`, async () => ({
    label: `onnxruntime-${kind}`,
    side: startSide(`onnxruntime-${kind}`, process.execPath, [file("ort.mjs"), kind, await npmPeers()]),
    types: { ternary2: ["2 bit", "4 bit", "int8"] },
    f32: "f32",
    rings: false,
  }));

export const startTfjs = (p) =>
  optional("tfjs-wasm", async () => ({
    label: "tfjs-wasm",
    side: startSide("tfjs-wasm", process.execPath, [file("tfjs.mjs"), await npmPeers(), String(p)]),
    types: {},
    f32: "f32",
    rings: false,
  }));
