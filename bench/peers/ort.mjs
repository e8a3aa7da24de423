/**
 * onnxruntime's matrix product as a side of bench/contest.mjs: `node ort.mjs node|web FOLDER`, where FOLDER has the npm package.
 * `{"ask":"open","type":"f32|int8|2 bit|4 bit","rows","cols","m","threads"}`.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { f32Model, int8Model, nbitsModel } from "./onnx_model.mjs";
import { checkProduct, floats, serve, trits } from "./serve.mjs";

const [which, folder] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const SCALE = 0.02;
const MODELS = {
  f32: f32Model,
  int8: int8Model,
  "2 bit": (...given) => nbitsModel(...given, 2),
  "4 bit": (...given) => nbitsModel(...given, 4),
};
/** Of the size of a sum: f32 differs in rounding, the others round activations to 8 bits. */
const PART = { f32: 1e-4, int8: 0.05, "2 bit": 0.05, "4 bit": 0.05 };

async function load() {
  if (which === "node") return require("onnxruntime-node");
  const file = join(folder, "node_modules", "onnxruntime-web", "dist", "ort.wasm.min.mjs");
  const loaded = await import(file);
  return loaded.default ?? loaded;
}

const ort = await load();
const version = JSON.parse(readFileSync(join(folder, "node_modules", `onnxruntime-${which}`, "package.json"), "utf8")).version;
process.stderr.write(`onnxruntime-${which} ${version}\n`);

await serve(async ({ type, rows, cols, m, threads }) => {
  if (which === "web") ort.env.wasm.numThreads = threads;
  const w = trits(rows * cols);
  // Its threads spin while a run lasts and stop with it: otherwise they would take a core from whoever has the next turn, its own other sessions included.
  const extra = { session: { force_spinning_stop: "1" } };
  const options = { executionProviders: [which === "web" ? "wasm" : "cpu"], intraOpNumThreads: threads, interOpNumThreads: 1, extra };
  const session = await ort.InferenceSession.create(new Uint8Array(MODELS[type](w, rows, cols, SCALE)), options);
  const data = floats(m * cols);
  const x = new ort.Tensor("float32", data, [m, cols]);
  const { y } = await session.run({ x });
  checkProduct(y.data, data, (row, k) => SCALE * w[row * cols + k], [rows, cols, m], PART[type]);
  return { work: rows * cols * m, run: () => session.run({ x }), close: () => session.release() };
});
