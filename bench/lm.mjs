/**
 * A mini-batch training step of a small language model: 4 layers, d_model 256, 8 heads, context 128, vocabulary 1024, d_mlp 1024, 16 sequences a step, dense
 * and ternary, on one and two threads, beside PyTorch (eager) where an interpreter with torch is given.
 *
 * Sides start from the same weights, take the same examples, take turns (A B A B ...), and have to show the same first losses.
 * Alone: `node bench/lm.mjs [--python PATH] [--rounds N] [--steps N] [--modes fp32,ternary,int8]`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { asProgram, root } from "../scripts/lib/run.mjs";
import { checkAnswers, startSide, summary, takeTurns } from "./contest.mjs";

/** The model and the sequences of a step. */
export const SIZE = { nLayers: 4, dModel: 256, dHead: 32, nHeads: 8, nCtx: 128, dVocab: 1024, dMlp: 1024, batch: 16 };
/** fp32; ternary weights; ternary weights and int8 activations. */
export const MODES = ["fp32", "ternary", "int8"];
const CHECKED_STEPS = 3;
/**
 * How far the first losses may lie apart. Dense sums differ in their last bits, which a few steps carry on; with trits a latent weight within such a bit of a
 * threshold takes another code, and with int8 activations so does an activation: each is one rounding among millions.
 */
const TOLERANCE = { fp32: 2e-6, ternary: 1e-4, int8: 1e-3 };

const ours = (mode, threads) =>
  startSide(`native ${threads}T`, process.execPath, [
    join(root, "bench", "lm-contestant.mjs"),
    JSON.stringify({ backend: "native", threads, mode, size: SIZE }),
  ]);

/** PyTorch's side; its `steps` request carries the batches. */
async function theirs(python, mode, threads, weights, batches) {
  const script = join(root, "bench", "peers", "train_lm.py");
  const side = startSide(`PyTorch ${threads}T`, python, [script, mode, String(threads), JSON.stringify(SIZE)]);
  side.facts = await side.ask(weights);
  const one = Buffer.concat([Buffer.from(batches.tokens, "base64"), Buffer.from(batches.targets, "base64")]);
  const { ask } = side;
  side.ask = ({ count }) => ask({ steps: count, batches: Buffer.concat(Array.from({ length: count }, () => one)).toString("base64") });
  return side;
}

/** One mode: every side's median milliseconds a step. */
async function contest(mode, { python, rounds, steps }) {
  const sides = [ours(mode, 1), ours(mode, 2)];
  const [weights, batches] = [await sides[0].ask({ ask: "weights" }), await sides[0].ask({ ask: "batches" })];
  for (const side of sides) side.facts = await side.ask({ ask: "info" });
  if (python) for (const threads of [1, 2]) sides.push(await theirs(python, mode, threads, weights, batches));
  const first = [];
  for (const side of sides) first.push({ name: side.name, ...(await side.ask({ ask: "steps", count: CHECKED_STEPS })) });
  for (const other of first.slice(1)) checkAnswers(first[0], other, TOLERANCE[mode]);
  const times = await takeTurns(sides, rounds, steps);
  for (const side of sides) side.end();
  return { times, facts: Object.fromEntries(sides.map((side) => [side.name, side.facts])) };
}

/**
 * Measures every mode.
 *
 * @param options - `python`: an interpreter with torch, or undefined to measure ours alone; `rounds`: turns of every side; `steps`: steps a turn; `modes`:
 *   which of {@link MODES}, all when left out.
 * @returns Rows { name, ms, best, ratio }: median and least milliseconds a step, and how many times ours the peer's median is (undefined for
 *   ours and where nothing is compared); after them, ternary and int8 compared with our dense step and two threads with one.
 */
export async function languageModelStep(options) {
  const rows = [];
  const dense = {};
  // Dense steps first: the others are compared with them.
  for (const mode of MODES.filter((mode) => options.modes?.includes(mode) ?? true)) {
    const { times } = await contest(mode, options);
    const ms = Object.fromEntries([...times].map(([name, list]) => [name, summary(list)]));
    for (const [name, { median, best }] of Object.entries(ms)) {
      const own = ms[name.replace("PyTorch", "native")];
      rows.push({ name: `${mode} ${name}`, ms: median, best, ratio: name.startsWith("PyTorch") ? median / own.median : undefined });
      if (mode === "fp32") dense[name] = median;
      else if (name.startsWith("native") && dense[name]) rows.push({ name: `${mode} ${name} / our dense step`, ratio: median / dense[name] });
    }
    rows.push({ name: `${mode} native, one thread / two`, ratio: ms["native 1T"].median / ms["native 2T"].median });
  }
  return rows;
}

await asProgram(import.meta, async () => {
  const { values } = parseArgs({
    options: {
      python: { type: "string" },
      rounds: { type: "string", default: "7" },
      steps: { type: "string", default: "3" },
      modes: { type: "string" },
    },
  });
  const python = values.python ?? process.env.TRITLENS_PYTHON;
  const modes = values.modes?.split(",");
  const rows = await languageModelStep({ python, rounds: Number(values.rounds), steps: Number(values.steps), modes });
  const shown = (x) => (x === undefined ? undefined : Number(x.toFixed(3)));
  console.table(rows.map(({ name, ms, best, ratio }) => ({ name, ms: shown(ms), best: shown(best), ratio: shown(ratio) })));
});
