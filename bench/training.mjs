/** Section `training`: a full-batch training step of modular addition in Li's architecture, ours and PyTorch's, from the same weights. */
import { join } from "node:path";
import { root } from "../scripts/lib/run.mjs";
import { checkAnswers, startSide, takeTurns } from "./contest.mjs";
import { roundedSummary } from "./limits.mjs";
import { rounded, timesBetter, withLimit } from "./rows.mjs";
import { sdk } from "./sides.mjs";

const CHECKED_STEPS = 3;
/** Dense products and sums differ in their last bits between engines; the first losses do not by more than this. */
const TOLERANCE = 1e-5;
/** Multiplications that a step needs after the exact savings of ARCHITECTURE.md, at p = 113. */
const STEP_MACS = 1.9e9;

const torch = (python, name, mode, variant, threads, p) =>
  startSide(name, python, [join(root, "bench", "peers", "train_li.py"), mode, variant, String(threads), String(p)]);

/** Every side of one mode, warmed up and with its answers checked. */
async function sidesOf({ p, python }, mode) {
  const ours = [
    sdk("native 1T", { p, backend: "native", threads: 1, mode }),
    sdk("native 2T", { p, backend: "native", threads: 2, mode }),
    sdk("wasm 1T", { p, backend: "wasm", threads: 1, mode }),
  ];
  const variants = ["last", "plain"].flatMap((variant) => [1, 2].map((threads) => [variant, threads]));
  const theirs = python ? variants.map(([variant, threads]) => torch(python, `PyTorch ${variant} ${threads}T`, mode, variant, threads, p)) : [];
  const weights = await ours[0].ask({ ask: "weights" });
  for (const side of theirs) side.facts = await side.ask(weights);
  for (const side of ours) side.facts = await side.ask({ ask: "info" });
  const first = [];
  for (const side of [...ours, ...theirs])
    first.push({ name: side.name, ...(await side.ask({ ask: "steps", count: CHECKED_STEPS, steps: CHECKED_STEPS })) });
  for (const other of first.slice(1)) checkAnswers(first[0], other, TOLERANCE);
  return [...ours, ...theirs];
}

/** What a row is compared with: the same number of threads; WebAssembly has one. */
const rivals = (rows, row) => rows.filter((other) => other.isa.startsWith("PyTorch") && other.threads === row.threads);

/** Milliseconds a step in one mode. */
async function oneMode(context, mode) {
  const { rounds, steps, p, limits } = context;
  const sides = await sidesOf(context, mode);
  const found = await takeTurns(sides, rounds, steps);
  for (const side of sides) side.end();
  const rows = sides.map(({ name }) => ({
    name: `training step ${mode}`,
    shape: `p = ${p}`,
    isa: name.replace(/ \dT$/, ""),
    threads: Number(/(\d)T$/.exec(name)[1]),
    unit: "ms",
    ...roundedSummary(found.get(name)),
  }));
  return rows.map((row) => {
    const ours = rows.find((other) => other.isa === "native" && other.threads === row.threads);
    if (row.isa.startsWith("PyTorch")) return { ...row, oursIs: rounded(timesBetter(ours, row)) };
    const toPeer = Object.fromEntries(rivals(rows, row).map((rival) => [rival.isa, rounded(timesBetter(row, rival))]));
    const fma = limits.at("f32 fma zmm", row.threads) ?? limits.at("f32 fma ymm", row.threads);
    const bound = p === 113 && row.isa === "native" && fma ? { name: `1.9 GMAC at ${fma.name}`, value: STEP_MACS / fma.value / 1e6 } : undefined;
    return withLimit({ ...row, toPeer }, bound);
  });
}

export async function measureTraining(context, report) {
  const all = [];
  for (const mode of context.modes) {
    const rows = await oneMode(context, mode);
    report(rows);
    all.push(...rows);
  }
  return all;
}
