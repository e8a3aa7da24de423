/**
 * Section `interp`: what a user of TransformerLens does all day, on a model of GPT-2 small's shape with random weights and prompts of 15 tokens: whole patching sweeps, a cache of
 * everything, hook functions; and edge attribution patching against forward-backward passes. With peers, TransformerLens does the same on the same weights and threads; all
 * answers are compared before anything is timed.
 *
 * Alone: `node bench/interp.mjs [--python PATH] [--rounds N] [--threads 1,2]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { asProgram, root } from "../scripts/lib/run.mjs";
import { measureInTurns, startSide, summary } from "./contest.mjs";
import { roundedSummary } from "./limits.mjs";
import { optional, pythonWithTransformerLens } from "./peers/install.mjs";
import { printHead, printRows, rounded, timesBetter } from "./rows.mjs";

/** GPT-2 small. */
const SIZE = { nLayers: 12, dModel: 768, nHeads: 12, dHead: 64, dMlp: 3072, nCtx: 1024, dVocab: 50257 };
const PROMPT = 15;
const clean = [Array.from({ length: PROMPT }, (_, i) => (i * 7919 + 101) % SIZE.dVocab)];
const CASE = { size: SIZE, clean, corrupt: clean.map((row) => row.with(4, 31337)), answer: 1234, foil: 4321 };

const SWEEPS = ["resid_pre by layer and position", "head outputs by layer and head"];
const CACHE = "runWithCache of everything";
/** A forward and a backward pass. */
const PASS = "forward and backward";
const RUNS = [...SWEEPS, CACHE, "forward"];
/** The promises: at least so many times faster than TransformerLens; at most so many times a pass. */
const PROMISES = { ...Object.fromEntries(SWEEPS.map((name) => [name, 8])), [CACHE]: 1 };
/** Turns of what takes a tenth of a second, for each turn of a sweep. */
const FEW = 4;
/** Largest difference of two sides' answers, relative to the largest entry. */
const TOLERANCE = 1e-4;

const ours = (threads) =>
  startSide(`native ${threads}T`, process.execPath, [
    join(root, "bench", "interp-contestant.mjs"),
    JSON.stringify({ ...CASE, backend: "native", threads }),
  ]);

/** TransformerLens's side, with our weights. */
async function theirs(python, threads, path) {
  const script = join(root, "bench", "peers", "interp_tl.py");
  // Its progress bars would cost it time and us the screen.
  const env = { ...process.env, TQDM_DISABLE: "1", TRANSFORMERS_VERBOSITY: "error" };
  const side = startSide(`TransformerLens ${threads}T`, python, [script, String(threads), JSON.stringify(CASE)], { env });
  await side.ask({ path });
  return side;
}

/** Runs it on both sides. Fails unless both give the same: a fast wrong answer is not an answer. */
async function compare(what, own, peer) {
  const [a, b] = [(await own.ask({ ask: "values", what })).values, (await peer.ask({ ask: "values", what })).values];
  const keys = Object.keys(b);
  const lacking = keys.find((key) => a[key] === undefined);
  if (lacking !== undefined) throw new Error(`${what}: ${own.name} lacks ${lacking}`);
  // Sums of squares of different activations have scales of their own; the entries of one tensor share theirs.
  const largest = keys.reduce((most, key) => Math.max(most, Math.abs(b[key])), 0);
  const wrong = keys.find((key) => !(Math.abs(a[key] - b[key]) <= TOLERANCE * (what === CACHE ? Math.max(1, b[key]) : largest)));
  if (wrong !== undefined) throw new Error(`${what}: ${own.name} has ${a[wrong]} where ${peer.name} has ${b[wrong]} (${wrong})`);
}

const measure = (side, what, count = 1) => ({
  name: side.name,
  measure: async () => (await side.ask({ ask: "time", what, count })).seconds * 1e3,
});

/** Rows of one run: ours and, where there is one, the peer's. */
async function contest(what, [own, peer], threads, rounds) {
  const sides = peer ? [own, peer] : [own];
  // Comparing is also what warms both sides up.
  if (peer) await compare(what, own, peer);
  else await own.ask({ ask: "time", what, count: 1 });
  const found = await measureInTurns(
    sides.map((side) => measure(side, what)),
    SWEEPS.includes(what) ? Math.min(rounds, 3) : FEW * rounds,
  );
  const rows = sides.map(({ name }) => ({
    ...{ name: what, shape: "GPT-2 small, 15 tokens", isa: name.replace(/ \dT$/, ""), threads, unit: "ms" },
    ...roundedSummary(found.get(name)),
  }));
  const [ours, theirs] = rows;
  if (!theirs) return rows;
  const times = rounded(timesBetter(ours, theirs));
  return [
    { ...ours, toPeer: { TransformerLens: times }, ...(PROMISES[what] ? { promise: PROMISES[what] } : {}) },
    { ...theirs, oursIs: times },
  ];
}

/** How much longer `what` takes than `than`, in turns on one side; the least of many, because what is looked for is smaller than the noise. */
async function against(side, what, than, rounds) {
  const found = await measureInTurns(
    [what, than].map((one) => ({ ...measure(side, one), name: one })),
    rounds,
  );
  return summary(found.get(what)).best / summary(found.get(than)).best;
}

/** Edge attribution patching against forward-backward passes: TransformerLens's, which also has gradients of parameters, and ours, which leaves those out. */
async function edgePatching([own, peer], threads, rounds, notice) {
  const sides = [
    { ...measure(own, "EAP"), name: "EAP" },
    { ...measure(own, PASS), name: PASS },
  ];
  if (peer) sides.push({ ...measure(peer, PASS), name: `TransformerLens's ${PASS}` });
  const found = await measureInTurns(sides, rounds);
  const best = (name) => summary(found.get(name)).best;
  const row = (name, more) => ({ name, shape: "GPT-2 small, 15 tokens", isa: "native", threads, ...more });
  return sides.flatMap(({ name }) => {
    const time = row(name, { unit: "ms", ...roundedSummary(found.get(name)) });
    if (name === "EAP") return [time];
    const passes = rounded(best("EAP") / best(name));
    if (passes > 1.5) notice(`EAP, ${threads} threads: ${passes} passes of ${name}, promised: 1.5`);
    return [time, row(`EAP in passes of ${name}`, { shape: "promised: at most 1.5", unit: "x", median: passes })];
  });
}

async function oneCount(threads, python, path, { rounds, notice }, report) {
  const own = ours(threads);
  await own.ask({ ask: "info" });
  await own.ask({ ask: "weights", path });
  const peer = python && (await optional("TransformerLens", () => theirs(python, threads, path)));
  const rows = [];
  const add = (more) => {
    rows.push(...more);
    report(more);
  };
  for (const what of RUNS) add(await contest(what, [own, peer], threads, rounds));
  for (const side of [own, peer].filter(Boolean)) {
    const more = await against(side, "24 hook functions", "forward", 3 * FEW * rounds);
    const isa = side.name.replace(/ \dT$/, "");
    add([{ name: "24 hook functions", shape: "promised: under 1", isa, threads, unit: "% more", median: rounded(100 * (more - 1)) }]);
  }
  add(await edgePatching([own, peer], threads, FEW * rounds, notice));
  for (const { name, promise, toPeer } of rows)
    if (promise && toPeer.TransformerLens < promise)
      notice(`${name}, ${threads} threads: ${toPeer.TransformerLens} times TransformerLens, promised: ${promise}`);
  for (const side of [own, peer].filter(Boolean)) side.end();
  return rows;
}

/**
 * Measures every run on every number of threads.
 *
 * @param context - `threads`, `rounds`, `notice` as in bench.mjs; `python`: an interpreter with TransformerLens, or undefined to measure ours alone.
 * @param report - Called with rows as they come.
 */
export async function measureInterp(context, report) {
  const folder = mkdtempSync(join(tmpdir(), "tritlens-interp-"));
  try {
    const rows = [];
    for (const threads of context.threads)
      rows.push(...(await oneCount(threads, context.python, join(folder, "weights.safetensors"), context, report)));
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await asProgram(import.meta, async () => {
  const { values } = parseArgs({
    options: {
      python: { type: "string" },
      rounds: { type: "string", default: "5" },
      threads: { type: "string", default: "1,2" },
    },
  });
  const python = await optional("TransformerLens", () => pythonWithTransformerLens(values.python));
  printHead();
  const threads = values.threads.split(",").map(Number);
  await measureInterp({ threads, rounds: Number(values.rounds), python, notice: (text) => console.log(`!!! ${text}`) }, printRows);
});
