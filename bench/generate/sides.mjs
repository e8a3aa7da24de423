/** Sides of the section `generate`, and tokens a second of them in turns. */
import { join } from "node:path";
import { root } from "../../scripts/lib/run.mjs";
import { measureInTurns, startSide } from "../contest.mjs";
import { roundedSummary } from "../limits.mjs";
import { rounded, timesBetter, withLimit } from "../rows.mjs";

export const PEER = "llama.cpp TQ2_0";

/** Our side in a process of its own. */
export const ours = (backend) => startSide(backend, process.execPath, [join(root, "bench", "generate", "contestant.mjs"), backend]);

/** A side with a model loaded on some number of threads. */
export async function opened(side, name, path, threads) {
  const { case: number } = await side.ask({ ask: "load", model: path, threads });
  return { name, threads, ask: (request) => side.ask({ case: number, ...request }) };
}

/**
 * The least cosine of our logits with llama.cpp's, which rounds activations to 8 bits by blocks of 256 where we take the row: thirty layers of random weights carry such
 * differences on. A wrong layout gives a cosine near zero.
 */
const ALIKE = 0.95;
const TEXT = "3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 3";

function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, each, i) => sum + each * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Compares the logits of two sides: a fast wrong answer is not an answer. */
export async function checkLogits(mine, theirs) {
  const request = { ask: "logits", tokens: TEXT };
  const found = cosine((await mine.ask(request)).logits, (await theirs.ask(request)).logits);
  console.log(`logits of ${mine.name} and ${theirs.name}: cosine ${found.toFixed(5)}`);
  if (!(found > ALIKE)) throw new Error(`the logits of ${mine.name} and ${theirs.name} have a cosine of ${found}`);
}

/** Tokens a second of sides in turns, ours first: rows with how many times the peers' ours is. */
export async function contest(what, sides, request, { rounds, limits = [] }) {
  const entries = sides.map(({ name, ask }) => ({ name, measure: async () => request.count / (await ask(request)).seconds }));
  const found = await measureInTurns(entries, rounds);
  const shape = `${request.count} tokens`;
  const rows = sides.map(({ name, threads }) => ({ name: what, shape, isa: name, threads, unit: "tok/s", ...roundedSummary(found.get(name)) }));
  const [mine, ...others] = rows;
  const toPeer = Object.fromEntries(others.map((other) => [other.isa, rounded(timesBetter(mine, other))]));
  const limit = limits.filter(Boolean).sort((a, b) => a.value - b.value)[0];
  return [withLimit({ ...mine, toPeer }, limit), ...others.map((row) => ({ ...row, oursIs: toPeer[row.isa] }))];
}

/** What capturing every hook_resid_post adds, in percent of the run without that stands beside it. */
export async function captures(what, side, request, rounds) {
  const entry = (name, capture) => ({ name, measure: async () => (await side.ask({ ...request, capture })).seconds });
  const found = await measureInTurns([entry("without", false), entry("with", true)], rounds);
  const shares = found.get("with").map((seconds, i) => 100 * (seconds / found.get("without")[i] - 1));
  const shape = `${request.count} tokens`;
  return { name: `${what}, captured`, shape, isa: side.name, threads: side.threads, unit: "% more", ...roundedSummary(shares) };
}
