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

/** The last TransformerLens that has HookedTransformer, with the versions it works with. */
const TRANSFORMER_LENS = ["transformer-lens==2.16.1", "transformers==4.57.1", "numpy==1.26.4", "pyarrow<20"];

/** An interpreter with TransformerLens: the one given when it has it, or one made here. */
export async function pythonWithTransformerLens(given) {
  if (given && capture(given, ["-c", "import transformer_lens"]) !== null) return given;
  return (await virtualEnvironment("venv-transformerlens", TRANSFORMER_LENS)).python;
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

/** What our drivers link with, in this order: targets of the build and where their archives lie. */
const LIBRARIES = { llama: "src", ggml: "ggml/src", "ggml-cpu": "ggml/src", "ggml-base": "ggml/src" };
const GGML = ["ggml", "ggml-cpu", "ggml-base"];

/** Builds libraries of llama.cpp for this processor and our driver beside them; does nothing when neither has changed. */
async function llamaCppProgram(name, libraries) {
  const { venv, python } = await virtualEnvironment("venv-cmake", ["cmake"]);
  const source = await ggmlSources(python);
  const build = cacheDir("bench", "ggml");
  const program = join(build, name);
  const state = digest([`bench/peers/${name}.cpp`, "bench/peers/lines.hpp"], source);
  if (fresh(join(build, `${name}.stamp`), state, [program])) return program;
  say(`Building ${libraries[0]} and ${name}`);
  const cmake = inVenv(venv, "cmake");
  const options = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_BUILD_TESTS=OFF",
    "-DGGML_BUILD_EXAMPLES=OFF",
  ];
  await run("ggml", cmake, ["-S", source, "-B", join(build, "build"), ...options]);
  await run("ggml", cmake, ["--build", join(build, "build"), "--target", libraries[0], "--parallel", String(availableParallelism())]);
  const archives = libraries.map((library) => join(build, "build", LIBRARIES[library], `lib${library}.a`));
  const include = ["ggml/include", "include"].flatMap((folder) => ["-I", join(source, folder)]);
  // The OpenMP flag is what ggml itself was built with where the compiler has it.
  const args = ["-O2", "-std=c++17", "-fopenmp", ...include, file(`${name}.cpp`), "-o", program, ...archives, "-lpthread", "-ldl", "-lm"];
  await run(name, which("c++", "g++", "clang++") ?? "c++", args);
  stamp(join(build, `${name}.stamp`), state);
  return program;
}

/** The packages of each folder of npm peers. */
const NPM = {
  npm: ["onnxruntime-node", "onnxruntime-web", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"],
  "npm-llama": ["@wllama/wllama", "node-llama-cpp", ...prebuiltLlama()],
};

/** node-llama-cpp's build for this machine without a graphics card: its optional packages together are twenty times as large. */
function prebuiltLlama() {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[process.platform];
  return system ? [`@node-llama-cpp/${system}-${process.arch}${system === "mac" && process.arch === "arm64" ? "-metal" : ""}`] : [];
}

/** A folder with npm peers. Their scripts are not run: they fetch parts for graphics cards. */
export async function npmPeers(name = "npm") {
  const folder = cacheDir("bench", name);
  if (!existsSync(join(folder, "complete"))) {
    say(`Installing ${NPM[name].join(", ")} into ${folder}`);
    writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
    const leave = name === "npm" ? [] : ["--omit=optional"];
    await run("npm peers", ...npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", ...leave, ...NPM[name]]), { cwd: folder });
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
  optional("ggml", async () => ({
    label: "ggml",
    side: startSide("ggml", await llamaCppProgram("ggml_matmul", GGML), []),
    types: GGML_TYPES,
    f32: "F32",
    rings: true,
  }));

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

/** llama.cpp's whole language model (bench/peers/llama_lm.cpp), natively. */
export const startLlama = () => optional("llama.cpp", async () => startSide("llama.cpp", await llamaCppProgram("llama_lm", ["llama", ...GGML]), []));

/** llama.cpp as a JavaScript user has it. */
export const startNodeLlama = () =>
  optional("node-llama-cpp", async () => startSide("node-llama-cpp", process.execPath, [file("node_llama.mjs"), await npmPeers("npm-llama")]));
