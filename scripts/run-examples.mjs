/**
 * Runs every script of examples/ that is for Node (the pages are opened by tests/browser), as a user would after `npm run build`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { asProgram, root, run, StepError, say } from "./lib/run.mjs";

const MAX_LINES = 80;
const folder = join(root, "examples");

export async function runExamples() {
  const scripts = readdirSync(folder)
    .filter((name) => /^\d+.*\.(mjs|js)$/.test(name))
    .sort();
  if (scripts.length === 0) throw new StepError("examples: there are none", "ls examples");
  for (const name of scripts) {
    say(`examples/${name}`);
    const lines = readFileSync(join(folder, name), "utf8").split("\n").length - 1;
    if (lines > MAX_LINES) throw new StepError(`examples/${name} has ${lines} lines, more than ${MAX_LINES}`);
    await run(`examples/${name}`, process.execPath, [join(folder, name)]);
  }
  console.log(`${scripts.length} examples ran`);
}

await asProgram(import.meta, runExamples);
