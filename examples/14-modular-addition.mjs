// Modular addition, after Nanda et al. 2023 and Li 2024: a model that groks a + b mod 31 adds on a few circles. Dense and ternary side by side.
// node examples/14-modular-addition.mjs [FOLDER]
import { Model, modularAddition } from "tritlens";
import { analyzeModAdd } from "tritlens/interp";
import { liConfig } from "tritlens/models";
import { conclude, learn, percent, picture } from "./lib/study.mjs";

const p = 31;
const data = modularAddition({ p, fraction: 0.8 });
const FREQUENCIES = Array.from({ length: (p - 1) / 2 }, (_, i) => i + 1);

/** The circle of a frequency in the embedding: sums over all numbers a of cos(w a) and sin(w a) times the row of a. @param {import("tritlens").Tensor} rows @param {number} k */
function circle({ data: weights, shape: [, width] }, k) {
  return [Math.cos, Math.sin].map((wave) => {
    const out = new Float32Array(width);
    for (let a = 0; a < p; a++) for (let i = 0; i < width; i++) out[i] += wave((2 * Math.PI * k * a) / p) * weights[a * width + i];
    return out;
  });
}

/** The same directions at right angles to each other, so that projecting out one after the other takes all of them away. @param {Float32Array[]} directions */
function orthogonal(directions) {
  const dot = (/** @type {Float32Array} */ x, /** @type {Float32Array} */ y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
  /** @type {Float32Array[]} */
  const done = [];
  for (const one of directions) {
    const rest = done.reduce((x, d) => x.map((v, i) => v - (dot(one, d) / dot(d, d)) * d[i]), one);
    if (dot(rest, rest) > 1e-8 * dot(one, one)) done.push(rest);
  }
  return done;
}

const results = [];
for (const mode of /** @type {const} */ (["fp32", "ternary"])) {
  const model = Model.fromConfig(liConfig({ p, mode }), { seed: 0 });
  const until = { testAccuracy: 0.999, hold: 100 };
  await learn(model, data, { name: mode, steps: 2000, lr: 6e-3, weightDecay: 1, warmupSteps: 0, evalEvery: 10, log: 100, until });
  const found = await analyzeModAdd(model, { trainIndices: data.trainIndices });
  const key = found.key_frequencies;
  console.log(`  key frequencies ${key.join(", ")}: ${percent(found.logit_fve_key)} of the centred logits`);

  // Take circles out of the embedding of both numbers.
  /** @param {number[]} frequencies */
  const without = (frequencies) => {
    const directions = orthogonal(frequencies.flatMap((k) => circle(model.W_E, k)));
    const edits = directions.map((direction) => /** @type {const} */ (["hook_embed", { kind: "project", direction, at: { pos: [0, 2] } }]));
    const { logits } = model.runWithCache(data.all.tokens, { names: [], hooks: edits });
    return data.all.targets.filter((sum, row) => best(logits.data.subarray(row * p, (row + 1) * p)) === sum).length / data.all.targets.length;
  };
  const others = FREQUENCIES.filter((k) => !key.includes(k));
  const single = FREQUENCIES.map((k) => without([k]));
  results.push({ mode, key, plain: without([]), noKey: without(key), onlyKey: without(others), single });
}

/** @param {Float32Array} row */
function best(row) {
  return row.indexOf(Math.max(...row));
}
picture("modular-addition", {
  kind: "bars",
  title: "Right sums without one frequency of the embedding",
  caption: "Share of all 961 sums that stay right when the circle of one frequency is projected out of both numbers.",
  x: { name: "frequency", labels: FREQUENCIES.map((k) => `${k}`) },
  series: results.map(({ mode, single }) => ({ name: mode, values: single })),
  unit: "share right",
});
const told = results.map(
  (r) =>
    `${r.mode}: without frequencies ${r.key.join(", ")} ${percent(r.noKey)} of the sums are right, without the ${FREQUENCIES.length - r.key.length} others ${percent(r.onlyKey)}`,
);
conclude(
  results.every((r) => r.plain > 0.99 && r.noKey < 0.25 && r.onlyKey > 0.9),
  `a few frequencies carry the sum. ${told.join(". ")}.`,
);
