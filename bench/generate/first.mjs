/** Opening a file to the first token, each time in a new process whose memory is watched from outside. */
import { readFileSync } from "node:fs";
import { roundedSummary } from "../limits.mjs";
import { rounded, timesBetter } from "../rows.mjs";
import { ours, PEER } from "./sides.mjs";

/** What the kernel counts of a process, in MB (Linux). */
function memoryOf(pid, key) {
  try {
    return Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
  } catch {
    return Number.NaN;
  }
}

async function once(model, threads) {
  const side = ours("native");
  await side.ask({ ask: "core", threads });
  const idle = memoryOf(side.pid, "VmRSS");
  const { seconds, weights, running } = await side.ask({ ask: "first", model, threads });
  const peak = memoryOf(side.pid, "VmHWM");
  side.end();
  return { ms: seconds * 1000, peak: peak - idle, weights: weights / 2 ** 20, running: running / 2 ** 20 };
}

/** Rows of both; memory without what the process had before it opened the file. */
export async function firstToken(model, threads, rounds, llama) {
  const [mine, theirs] = [[], []];
  for (let round = 0; round < rounds; round++) {
    mine.push(await once(model.path, threads));
    if (llama) theirs.push((await llama.ask({ ask: "first", model: model.path, threads })).seconds * 1000);
  }
  const size = model.bytes / 2 ** 20;
  const row = (name, isa, unit, list) => ({ name, shape: `file of ${size.toFixed(0)} MiB`, isa, threads, unit, ...roundedSummary(list) });
  const first = row(
    "open to first token",
    "native",
    "ms",
    mine.map(({ ms }) => ms),
  );
  const { weights, running } = mine[0];
  const peaks = mine.map(({ peak }) => peak);
  const memory = {
    ...row("memory at most", "native", "MiB", peaks),
    file: rounded(size),
    plan: { weights: rounded(weights), running: rounded(running) },
  };
  if (!llama) return [first, memory];
  const peer = row("open to first token", PEER, "ms", theirs);
  const oursIs = rounded(timesBetter(first, peer));
  return [{ ...first, toPeer: { [PEER]: oursIs } }, { ...peer, oursIs }, memory];
}
