/**
 * `npm run bench:count`: instructions of the main kernels, counted by callgrind on fixed inputs, so that a regression is a diff and not an opinion.
 *
 *   (nothing)   prints them beside the snapshot bench/instructions.json
 *   --check     fails when one has risen by more than 3 percent, and names it
 *   --write     accepts them: writes the snapshot
 *
 * Valgrind has no AVX-512, so the tables are `avx2` and `scalar`. Another compiler makes other code: with a rustc other than the snapshot's, differences are told
 * and do not fail. The Rust side is crates/kernels/benches/kernels/count.rs.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asProgram, capture, root, run, StepError, which } from "../scripts/lib/run.mjs";
import { buildKernels } from "./sides.mjs";

const SNAPSHOT = join(root, "bench", "instructions.json");
const ALLOWED = 1.03;
const RERUN = "npm run bench:count -- --check";

/** Instructions of one repetition of each case. */
async function count() {
  const program = await buildKernels();
  const folder = mkdtempSync(join(tmpdir(), "tritlens-count-"));
  const names = [];
  // A total is written before each call of `measured` (so the first one is of nothing) and one at the end; a case calls it with one and with three repetitions.
  const out = join(folder, "out");
  const watched = "bench::kernels::count::measured";
  const args = ["--tool=callgrind", "--quiet", "--collect-atstart=no", `--callgrind-out-file=${out}`];
  args.push(`--toggle-collect=${watched}`, `--dump-before=${watched}`, program, "count");
  await run("callgrind", "valgrind", args, { onLine: (line) => names.push(line), rerun: "npm run bench:count" });
  const calls = names.length * 2;
  const written = readdirSync(folder).length;
  if (calls === 0 || written !== calls + 1) throw new StepError(`callgrind: ${written} totals for ${calls} calls`, RERUN);
  const totals = Array.from({ length: calls }, (_, i) => totalOf(i + 1 < calls ? `${out}.${i + 2}` : out));
  rmSync(folder, { recursive: true });
  return Object.fromEntries(names.map((name, i) => [name, (totals[2 * i + 1] - totals[2 * i]) / 2]));
}

function totalOf(file) {
  const found = /^(?:summary|totals): (\d+)/m.exec(readFileSync(file, "utf8"));
  if (!found || Number(found[1]) === 0) throw new StepError(`callgrind: no total in ${file}`, RERUN);
  return Number(found[1]);
}

const compiler = () => capture("rustc", ["--version"]);

/** What has risen by more than is allowed, and what is in only one of the two lists. */
export function compareCounts(before, now) {
  const risen = Object.keys(before).filter((name) => now[name] > before[name] * ALLOWED);
  const gone = Object.keys(before).filter((name) => !(name in now));
  const added = Object.keys(now).filter((name) => !(name in before));
  return { risen, gone, added };
}

function print(before, now) {
  for (const [name, instructions] of Object.entries(now)) {
    const old = before?.[name];
    const change = old ? `${(100 * (instructions / old - 1)).toFixed(1).padStart(7)} %` : "    new";
    console.log(`${name.padEnd(48)} ${String(instructions).padStart(12)} ${change}`);
  }
}

/** Why counts cannot be compared here, or null. */
function obstacle() {
  if (process.arch !== "x64" || process.platform !== "linux") return "the snapshot is of x86-64 on Linux";
  if (!which("valgrind")) return "valgrind is not installed (Debian: apt-get install valgrind)";
  return null;
}

/** The step of `npm run check`. */
export async function checkCounts() {
  const reason = obstacle();
  if (reason) return console.log(`\n!!! NOT CHECKED: instruction counts (${reason})\n`);
  const snapshot = JSON.parse(readFileSync(SNAPSHOT, "utf8"));
  const now = await count();
  print(snapshot.instructions, now);
  const { risen, gone, added } = compareCounts(snapshot.instructions, now);
  for (const name of added) console.log(`not in the snapshot: ${name}`);
  for (const name of gone) console.log(`only in the snapshot: ${name}`);
  if (risen.length === 0) return console.log(`instruction counts: ${Object.keys(now).length} kernels, none has risen by more than 3 percent`);
  const list = risen.map((name) => `  ${name}: ${snapshot.instructions[name]} -> ${now[name]}`).join("\n");
  if (snapshot.rustc !== compiler())
    return console.log(`!!! counted with another compiler than the snapshot's (${snapshot.rustc}), so this is no failure:\n${list}`);
  throw new StepError(`more instructions than in the snapshot (npm run bench:count -- --write accepts them):\n${list}`, RERUN);
}

await asProgram(import.meta, async ([option]) => {
  if (option === "--check") return checkCounts();
  const reason = obstacle();
  if (reason) throw new StepError(`instruction counts: ${reason}`, "npm run bench:count");
  const before = existsSync(SNAPSHOT) ? JSON.parse(readFileSync(SNAPSHOT, "utf8")) : undefined;
  const now = await count();
  print(before?.instructions, now);
  if (option !== "--write") return;
  writeFileSync(SNAPSHOT, `${JSON.stringify({ rustc: compiler(), valgrind: capture("valgrind", ["--version"]), instructions: now }, null, 2)}\n`);
  console.log(`written to ${SNAPSHOT}`);
});
