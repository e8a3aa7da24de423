/**
 * `npm run bench`: a full-batch training step at p = 113 in Li's architecture, native with one and two threads and in WebAssembly, and what a hook costs.
 * With `--peers`, PyTorch takes turns with us in the same run (interpreter: `--python`, TRITLENS_PYTHON, or a throw-away environment made with `--install`).
 *
 * Sides take turns (A B C A B C ...), start from the same weights and have to show the same first losses. Read ratios, not digits: machines are shared.
 * Writes everything to `--out` (bench/results.json). `--rounds`, `--steps`, `--p` change the amount of work.
 */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheDir } from "../scripts/lib/cache.mjs";
import { root } from "../scripts/lib/run.mjs";
import { checkAnswers, startSide, summary, takeTurns } from "./contest.mjs";

const { values: options } = parseArgs({
  options: {
    peers: { type: "boolean", default: false },
    install: { type: "boolean", default: false },
    python: { type: "string" },
    rounds: { type: "string", default: "9" },
    steps: { type: "string", default: "4" },
    p: { type: "string", default: "113" },
    out: { type: "string", default: join(root, "bench", "results.json") },
  },
});
const [rounds, count, p] = [options.rounds, options.steps, options.p].map(Number);
const CHECKED_STEPS = 3;
/** Dense products and sums differ in their last bits between engines; the first losses do not by more than this. */
const TOLERANCE = 1e-5;

/** An interpreter with torch, or null. */
function findPython() {
  const given = options.python ?? process.env.TRITLENS_PYTHON;
  if (given) return given;
  const made = join(cacheDir("bench"), "venv", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  if (existsSync(made)) return made;
  if (!options.install) throw new Error("--peers needs a Python with torch: --python PATH, or --install to make a throw-away environment");
  execFileSync("python3", ["-m", "venv", join(cacheDir("bench"), "venv")], { stdio: "inherit" });
  execFileSync(made, ["-m", "pip", "install", "--quiet", "torch", "numpy"], { stdio: "inherit" });
  return made;
}

const node = (name, options) => startSide(name, process.execPath, [join(root, "bench", "contestant.mjs"), JSON.stringify({ p, ...options })]);
const torch = (name, mode, variant, threads) =>
  startSide(name, findPython(), [join(root, "bench", "peers", "train_li.py"), mode, variant, String(threads), String(p)]);

/** Every side of one mode, warmed up and with its answers checked. */
async function sidesOf(mode) {
  const ours = [
    node("native 1T", { backend: "native", threads: 1, mode }),
    node("native 2T", { backend: "native", threads: 2, mode }),
    node("wasm 1T", { backend: "wasm", threads: 1, mode }),
  ];
  const theirs = options.peers
    ? [
        ["last", 1],
        ["last", 2],
        ["plain", 1],
        ["plain", 2],
      ].map(([variant, threads]) => torch(`PyTorch ${variant} ${threads}T`, mode, variant, threads))
    : [];
  const weights = await ours[0].ask({ ask: "weights" });
  for (const side of theirs) side.facts = await side.ask(weights);
  for (const side of ours) side.facts = await side.ask({ ask: "info" });
  const first = [];
  for (const side of [...ours, ...theirs])
    first.push({ name: side.name, ...(await side.ask({ ask: "steps", count: CHECKED_STEPS, steps: CHECKED_STEPS })) });
  for (const other of first.slice(1)) checkAnswers(first[0], other, TOLERANCE);
  return [...ours, ...theirs];
}

/** Milliseconds a step of every side, and the ratios that the project promises. */
async function training(mode) {
  const sides = await sidesOf(mode);
  const times = await takeTurns(sides, rounds, count);
  for (const side of sides) side.end();
  const ms = Object.fromEntries([...times].map(([name, list]) => [name, summary(list)]));
  const ratio = (a, b) => (ms[a] && ms[b] ? ms[a].median / ms[b].median : undefined);
  const ratios = {
    "PyTorch last / native, 1T": ratio("PyTorch last 1T", "native 1T"),
    "PyTorch last / native, 2T": ratio("PyTorch last 2T", "native 2T"),
    "PyTorch plain / native, 1T": ratio("PyTorch plain 1T", "native 1T"),
    "PyTorch plain / native, 2T": ratio("PyTorch plain 2T", "native 2T"),
    "wasm / native, 1T": ratio("wasm 1T", "native 1T"),
  };
  return { mode, ms, ratios, facts: Object.fromEntries(sides.map((side) => [side.name, side.facts])), rounds: Object.fromEntries(times) };
}

/** Microseconds a hook adds, native and in WebAssembly. */
async function hooking(backend) {
  const side = node(`hooks ${backend}`, { backend, threads: 1, mode: "li_ternary" });
  const found = await side.ask({ ask: "hooks", rounds: 20 });
  side.end();
  return found;
}

const rounded = (table) =>
  Object.fromEntries(
    Object.entries(table)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, Number(value.toFixed(3))]),
  );

const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg().map((x) => Number(x.toFixed(1))) };
console.log(machine);
const results = { machine, p, training: [], hooks: {} };
for (const mode of ["fp32", "li_ternary"]) {
  const found = await training(mode);
  results.training.push(found);
  console.log(`\nTraining step, ${mode}, p = ${p}, ms (first ${CHECKED_STEPS} losses equal within ${TOLERANCE})`);
  console.table(Object.fromEntries(Object.entries(found.ms).map(([name, time]) => [name, rounded(time)])));
  console.table(rounded(found.ratios));
}
for (const backend of ["native", "wasm"]) results.hooks[backend] = await hooking(backend);
console.log("\nHooks over one row of three tokens, microseconds");
console.table(Object.fromEntries(Object.entries(results.hooks).map(([backend, found]) => [backend, rounded(found)])));
results.machine.loadAfter = loadavg().map((x) => Number(x.toFixed(1)));
writeFileSync(options.out, `${JSON.stringify(results, null, 1)}\n`);
console.log(`everything in ${options.out}`);
