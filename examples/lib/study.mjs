// What the worked studies share: random numbers, data sets, training with a line of progress, pictures, and the sentence at the end.
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore, train } from "tritlens";
import { drawSvg, Result } from "tritlens/plots";

export const core = await loadCore();

/**
 * A source of whole numbers in [0, n): the same ones on every machine.
 *
 * @param {number} seed
 */
export function dice(seed) {
  const block = new Float32Array(4096);
  let [at, stream] = [block.length, 0];
  return (/** @type {number} */ n) => {
    if (at === block.length) {
      core.random(seed, stream++, 0, block);
      at = 0;
    }
    return Math.min(n - 1, Math.floor(n * block[at++]));
  };
}

/** @param {(n: number) => number} roll @param {number} n @returns {number[]} 0 to n - 1 in random order */
export function shuffled(roll, n) {
  const list = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = roll(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

/**
 * Training data of rows of equal length: the last `held` rows are the test set.
 *
 * @param {{ tokens: number[], targets: number[] }[]} rows - Targets are classes, one a position; -1 asks for nothing.
 */
export function dataOf(rows, held = 256) {
  const pos = rows[0].tokens.length;
  const part = (/** @type {typeof rows} */ some) => ({
    tokens: { data: Int32Array.from(some.flatMap((r) => r.tokens)), shape: /** @type {const} */ ([some.length, pos]) },
    targets: Int32Array.from(some.flatMap((r) => r.targets)),
  });
  return { train: part(rows.slice(0, -held)), test: part(rows.slice(-held)) };
}

/**
 * Trains a model and says how well it does.
 *
 * @param {import("tritlens").Model} model
 * @param {import("tritlens").TrainingData} data
 * @param {import("tritlens").TrainOptions & { name: string }} options
 */
export async function learn(model, data, { name, ...options }) {
  const began = performance.now();
  let last;
  for await (const event of train(model, data, { warmupSteps: 50, weightDecay: 0.01, evalEvery: options.steps, ...options })) last = event;
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const share = (100 * (last?.testAccuracy ?? 0)).toFixed(1);
  console.log(`${name}: ${last?.step} steps in ${seconds} s, test loss ${last?.testLoss?.toFixed(3)}, ${share} % of the answers right`);
  return model;
}

/**
 * Writes a picture into the folder that the command line names, or into the temporary one.
 *
 * @param {string} name
 * @param {import("tritlens/plots").Chart | import("tritlens/plots").Result} shown
 */
export function picture(name, shown) {
  const folder = process.argv[2] ?? join(tmpdir(), "tritlens-studies");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.svg`);
  writeFileSync(path, shown instanceof Result ? shown.svg() : drawSvg(shown));
  console.log(`picture  ${path}`);
}

/**
 * The end of a study: what was found, and whether the interventions bear it out. A study whose statement does not hold fails.
 *
 * @param {boolean} holds
 * @param {string} statement
 */
export function conclude(holds, statement) {
  console.log(`\n${holds ? "Found" : "NOT BORNE OUT"}: ${statement}`);
  if (!holds) process.exitCode = 1;
}

/** @param {number} x @returns {string} */
export const percent = (x) => `${Math.round(100 * x)} %`;

/** @param {ArrayLike<number>} list */
export const mean = (list) => Array.from(list).reduce((sum, x) => sum + x, 0) / list.length;

/** Layer and head of the largest number. @param {import("tritlens").Tensor} values - [layer, head]. */
export function topHead({ data, shape }) {
  const best = data.indexOf(Math.max(...data));
  return [Math.floor(best / shape[1]), best % shape[1]];
}
