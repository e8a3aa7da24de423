/**
 * The steps of `npm test` and `npm run check`. Each has a name, a command that runs it alone, and adds what its runner reported to a tally.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkCounts } from "../../bench/count.mjs";
import { needChromium } from "../chromium.mjs";
import { fuzz } from "../fuzz.mjs";
import { neonTests } from "../neon.mjs";
import { packageBin, report, root, run, StepError, say } from "./run.mjs";

/** What was counted so far. */
export const tally = { passed: 0, failed: 0, skipped: 0 };

const tsc = packageBin("typescript", "bin/tsc");
const vitest = packageBin("vitest", "vitest.mjs");

/** Adds cargo's own summary lines to the tally. */
function countCargo(line) {
  const found = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line);
  if (!found) return;
  tally.passed += Number(found[1]);
  tally.failed += Number(found[2]);
  tally.skipped += Number(found[3]);
}

/** The kernels' tables by processor. Those of aarch64 run elsewhere too, under qemu (neon.mjs); WebAssembly has a step of its own. */
const TABLES = {
  x64: ["scalar", "sse42", "avx2", "avxvnni", "avx512vnni", "avx512"],
  arm64: ["scalar", "neon", "neondot", "neoni8mm"],
};

/** Instruction sets whose kernels can be tested on this machine; says which ones cannot, and are only compiled. */
function testableIsas() {
  const { isas } = JSON.parse(createRequire(import.meta.url)(join(root, "bindings", "node")).info());
  const known = TABLES[process.arch] ?? ["scalar"];
  const unknown = isas.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new StepError(`scripts/lib/steps.mjs does not know the instruction sets ${unknown.join(", ")}`);
  for (const isa of known.filter((name) => !isas.includes(name))) console.log(`\n!!! NOT TESTED: this machine or build has no ${isa}\n`);
  return known.filter((name) => isas.includes(name));
}

/** The Rust tests, once for each instruction set. */
export async function cargoTests() {
  for (const isa of testableIsas()) {
    say(`cargo test, kernels: ${isa}`);
    const args = ["test", "--workspace", "--exclude", "tritlens-wasm"];
    await run(`cargo test (${isa})`, "cargo", args, { env: { TRITLENS_ISA: isa }, onLine: countCargo });
  }
}

/** The kernels' agreement tests once more, compiled for WebAssembly and run in Node. */
export async function wasmKernelTests() {
  const { wasmEnvironment } = await import("../wasm-toolchain.mjs");
  let [ran, promised] = [0, -1];
  const onLine = (line) => {
    if (/ \.\.\. ok$/.test(line)) ran += 1;
    promised = Number(/^(\d+) tests, compared .*simd128/.exec(line)?.[1] ?? promised);
  };
  const script = join(root, "crates", "kernels", "run-wasm.mjs");
  await run("kernels in wasm", process.execPath, [script, "agree"], {
    env: await wasmEnvironment(),
    onLine,
    rerun: "node crates/kernels/run-wasm.mjs agree",
  });
  if (ran === 0 || ran !== promised)
    throw new StepError(`kernels in wasm: ${ran} tests reported, ${promised} expected`, "node crates/kernels/run-wasm.mjs agree");
  tally.passed += ran;
}

/** Every vitest project; one in which nothing ran is a failure. */
export async function vitestProjects(projects) {
  say("vitest");
  const folder = mkdtempSync(join(tmpdir(), "tritlens-tally-"));
  const file = join(folder, "tally.json");
  const wanted = projects.flatMap((name) => ["--project", name]);
  const env = { TRITLENS_TALLY: file, TRITLENS_CHROMIUM: await needChromium() };
  const args = [vitest, "run", "--reporter=default", "--reporter=./scripts/lib/tally.mjs", ...wanted];
  const outcome = await run("vitest", process.execPath, args, { env, rerun: "npx vitest run" }).catch((error) => error);
  const counted = readCounts(file);
  rmSync(folder, { recursive: true });
  const empty = projects.filter((name) => !counted.projects[name]?.passed);
  if (outcome instanceof Error) throw outcome;
  if (empty.length > 0) throw new StepError(`vitest: nothing ran in ${empty.join(", ")}`, `npx vitest run --project '${empty[0]}'`);
}

function readCounts(file) {
  try {
    const counted = JSON.parse(readFileSync(file, "utf8"));
    for (const project of Object.values(counted.projects)) for (const kind of Object.keys(tally)) tally[kind] += project[kind];
    tally.failed += counted.unhandled;
    return counted;
  } catch (error) {
    throw new StepError(`vitest: it ended without a report (${error.message})`, "npx vitest run");
  }
}

/** The projects of vitest.config.ts, by name. */
export const PROJECTS = [
  "unit",
  "conformance[native]",
  "conformance[native,ISA=scalar]",
  "conformance[wasm]",
  "golden",
  "studies",
  "large",
  "browser",
  "packaging",
  "types",
];

const cargo = (name, args, env) => [name, () => run(name, "cargo", args, { env })];
const node = (name, args, rerun) => [name, () => run(name, process.execPath, args, { rerun })];

/** Formatters, lints, types and documents, in the order of cost. */
export const STATIC_STEPS = [
  cargo("cargo fmt", ["fmt", "--all", "--check"]),
  cargo("cargo clippy", ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
  cargo("cargo doc", ["doc", "--workspace", "--no-deps", "--document-private-items"], { RUSTDOCFLAGS: "-D warnings" }),
  node("tsc", [tsc, "-b"], "npx tsc -b"),
  node("biome", [packageBin("@biomejs/biome", "bin/biome"), "check", "."], "npx biome check ."),
  node("surface", [join(root, "scripts", "check-surface.mjs")], "node scripts/check-surface.mjs"),
  node("file sizes", [join(root, "scripts", "file-size.mjs")], "node scripts/file-size.mjs"),
  node("typedoc", [packageBin("typedoc", "bin/typedoc"), "--validation", "--emit", "none"], "npm run docs"),
];

export const TEST_STEPS = [
  ["cargo test", cargoTests],
  ["kernels in wasm", wasmKernelTests],
  ["vitest", () => vitestProjects(PROJECTS)],
];

export const LAST_STEPS = [
  ["kernels on aarch64", () => neonTests(countCargo)],
  ["fuzz", fuzz],
  ["instruction counts", checkCounts],
  node("examples", [join(root, "scripts", "run-examples.mjs")], "node scripts/run-examples.mjs"),
  node("package sizes", [join(root, "scripts", "size.mjs")], "npm run size"),
];

/** Runs every step even after a failure, then says what failed; returns the process's exit code. */
export async function runSteps(steps) {
  const failures = [];
  for (const [name, body] of steps) {
    const began = Date.now();
    console.log(`\n\x1b[1m━━ ${name}\x1b[0m`);
    await body().catch((error) => failures.push(error));
    console.log(`━━ ${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
  for (const failure of failures) report(failure);
  // A step without a runner of its own (a linter, a missing tool) counts as one test, so that the last line cannot look better than it is.
  if (failures.length > 0 && tally.failed === 0) tally.failed = failures.length;
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  console.log(`\n${tally.passed} passed, ${tally.failed} failed${skipped}`);
  return failures.length > 0 || tally.failed > 0 ? 1 : 0;
}
