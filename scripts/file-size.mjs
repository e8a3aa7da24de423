/**
 * House rule: one idea a file, at most 400 lines. Prints the longest files and fails when one is over the limit.
 */
import { readFileSync } from "node:fs";
import { asProgram, capture, root, StepError } from "./lib/run.mjs";

const LIMIT = 400;

export function checkFileSizes() {
  const listed = capture("git", ["ls-files", "*.rs", "*.ts", "*.mjs"]) ?? "";
  const files = listed.split("\n").filter((file) => file && !file.startsWith("tests/golden/generate/"));
  const sized = files.map((file) => ({ file, lines: readFileSync(root + file, "utf8").split("\n").length - 1 }));
  const over = sized.filter(({ lines }) => lines > LIMIT);
  const longest = sized.sort((a, b) => b.lines - a.lines)[0];
  if (over.length > 0)
    throw new StepError(
      `files over ${LIMIT} lines:\n${over.map(({ file, lines }) => `  ${lines} ${file}`).join("\n")}`,
      "node scripts/file-size.mjs",
    );
  console.log(`${sized.length} source files, the longest has ${longest?.lines} lines (${longest?.file})`);
}

await asProgram(import.meta, async () => checkFileSizes());
