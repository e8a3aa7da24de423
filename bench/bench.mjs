/**
 * `npm run bench`: every kernel and step beside the limits of this machine, measured in the same run. Prints tables and writes JSON.
 *
 *   --only SECTION[,SECTION]   limits, kernels, training, lm, crossing, hooks, interp, wasm, generate (default: all)
 *   --quick                    one shape, few rounds: minutes become seconds, the spread grows
 *   --peers                    PyTorch, TransformerLens, ggml, llama.cpp, onnxruntime, tfjs and wllama beside us; each is put into the cache folder, and what cannot be had is said
 *   --python PATH              an interpreter with torch (and TransformerLens; else TRITLENS_PYTHON, else one is made)
 *   --shapes 2560x2560,...     rows x columns of the products
 *   --threads 1,2              of the products and the limits
 *   --rounds N --steps N --p P --out FILE
 *
 * Answers are checked before anything is timed. Sides take turns (A B C A B C ...). Read ratios and shares, not digits: machines are shared.
 */
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../scripts/lib/run.mjs";
import { contention } from "./contention.mjs";
import { measureGenerate } from "./generate/generate.mjs";
import { measureHooks } from "./hooks.mjs";
import { measureInterp } from "./interp.mjs";
import { measureKernels, SHAPES, STEPS } from "./kernels.mjs";
import { Limits, measureLimits } from "./limits.mjs";
import { load, machine } from "./machine.mjs";
import { optional, pythonWithTorch, pythonWithTransformerLens, startGgml, startOnnxruntime, startTfjs } from "./peers/install.mjs";
import { printHead, printRows, rounded } from "./rows.mjs";
import { nativeKernels } from "./sides.mjs";
import { measureTraining } from "./training.mjs";
import { measureWasm } from "./wasm.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    peers: { type: "boolean", default: false },
    python: { type: "string" },
    shapes: { type: "string" },
    threads: { type: "string", default: availableParallelism() > 1 ? "1,2" : "1" },
    rounds: { type: "string" },
    steps: { type: "string" },
    p: { type: "string", default: "113" },
    out: { type: "string", default: join(root, "bench", "results.json") },
  },
});
const { quick } = options;
const notices = new Set();
const given = options.shapes?.split(",").map((shape) => shape.split("x").map(Number));
const context = {
  p: Number(options.p),
  rounds: Number(options.rounds ?? (quick ? 3 : 9)),
  steps: Number(options.steps ?? (quick ? 2 : 4)),
  ms: quick ? 10 : 20,
  threads: options.threads.split(",").map(Number),
  shapes: given ?? (quick ? SHAPES.slice(0, 1) : SHAPES),
  modes: ["fp32", "li_ternary"],
  floatColumns: quick ? [512] : [1, 512],
  peers: [],
  python: undefined,
  quick,
  notice: (text) => void notices.add(text),
};

/** Filled by the first section that needs them. */
let native;
async function nativeSide() {
  if (native) return native;
  const side = await nativeKernels();
  const { tables } = await side.ask({ ask: "info" });
  const rows = await measureLimits(side, context);
  printRows(rows);
  native = { side, tables, limitRows: rows, limits: new Limits(rows) };
  return native;
}

const python = async () => (options.peers ? optional("PyTorch", () => pythonWithTorch(options.python ?? process.env.TRITLENS_PYTHON)) : undefined);
const started = async (...starts) => (options.peers ? (await Promise.all(starts.map((start) => start()))).filter(Boolean) : []);

/** A section that lies in a file of its own and may not be there. */
const fromFile = async (file) => (existsSync(join(root, "bench", file)) ? import(`./${file}`) : undefined);

/** The language model's rows, which have `ms` and a `ratio` to the peer or to a row of ours, as the others are. */
const asRows = (rows) =>
  rows.map(({ name, ms, ratio }) =>
    ms === undefined ? { name, unit: "x", median: rounded(ratio) } : { name, unit: "ms", median: rounded(ms), oursIs: rounded(ratio) },
  );

async function languageModel() {
  const loaded = await fromFile("lm.mjs");
  const rows = asRows((await loaded?.languageModelStep({ rounds: context.rounds, steps: context.steps, python: await python() })) ?? []);
  printRows(rows);
  return loaded && rows;
}

/** A call that only crosses the boundary, against what is promised for it. */
async function crossing() {
  const loaded = await fromFile("crossing.mjs");
  const measured = (await loaded?.crossing()) ?? [];
  const row = (name, { backend, limit }, ns) => {
    const median = rounded(ns / 1000);
    return { name, shape: `promised: under ${limit / 1000} us`, isa: backend, threads: 1, unit: "us", median };
  };
  const rows = measured.flatMap((one) => [row("a call of the binding", one, one.bare), row("a call through the SDK", one, one.sdk)]);
  printRows(rows);
  return loaded && rows;
}

const sections = {
  limits: async () => (await nativeSide()).limitRows,
  kernels: async () => {
    const { side, tables, limits } = await nativeSide();
    const peers = await started(startGgml, () => startOnnxruntime("node"));
    const rows = await measureKernels({ ...context, side, tables, limits, peers, stepShapes: STEPS }, printRows);
    for (const peer of peers) peer.side.end();
    return rows;
  },
  training: async () => measureTraining({ ...context, limits: (await nativeSide()).limits, python: await python() }, printRows),
  lm: languageModel,
  crossing,
  hooks: () => measureHooks(context, printRows),
  interp: async () => {
    const given = options.python ?? process.env.TRITLENS_PYTHON;
    const found = options.peers ? await optional("TransformerLens", () => pythonWithTransformerLens(given)) : undefined;
    return measureInterp({ ...context, python: found }, printRows);
  },
  wasm: async () => {
    const peers = await started(
      () => startOnnxruntime("web"),
      () => startTfjs(context.p),
    );
    const rows = await measureWasm({ ...context, peers, shapes: context.shapes.slice(0, 2), stepShapes: STEPS }, printRows);
    for (const peer of peers) peer.side.end();
    return rows;
  },
  generate: async () => measureGenerate({ ...context, limits: (await nativeSide()).limits, peers: options.peers }, printRows),
};

const wanted = options.only?.split(",") ?? Object.keys(sections);
const unknown = wanted.filter((name) => !sections[name]);
if (unknown.length > 0) throw new Error(`no section ${unknown.join(", ")}; there are ${Object.keys(sections).join(", ")}`);

const results = { machine: machine(), quick, sections: {}, elsewhere: {} };
/** After every section, so that one which fails loses nothing but itself. */
function save() {
  results.machine.loadAfter = load();
  results.notices = [...notices];
  writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
}

console.log(results.machine);
for (const name of wanted) {
  console.log(`\n\x1b[1m━━ ${name}\x1b[0m`);
  printHead();
  const elsewhere = contention();
  const found = await sections[name]();
  if (found) results.sections[name] = found;
  else console.log("not in this build");
  results.elsewhere[name] = elsewhere();
  save();
  const busy = results.elsewhere[name];
  if (!busy) continue;
  const percent = (100 * (busy.others + busy.stolen)).toFixed(0);
  console.log(`(${percent} % of the machine's time went to other processes and other machines meanwhile)`);
}
native?.side.end();
for (const notice of notices) console.log(`!!! ${notice}`);
console.log(`everything in ${options.out}`);
