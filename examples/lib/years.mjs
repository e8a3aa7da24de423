// Spans of years: "from 17 32 to 17" -> any two digits above 32, all equally likely. Used by examples/15-greater-than.mjs.
import { dataOf, dice } from "./study.mjs";

/** Two-digit years have the ids 0 to 99; centuries and words follow. */
export const YEARS = 100;
const CENTURIES = 8;
const [FROM, TO] = [YEARS + CENTURIES, YEARS + CENTURIES + 1];
export const [VOCABULARY, LENGTH, FIRST, END] = [YEARS + CENTURIES + 2, 5, 2, 4];

/** @param {number} year */
const span = (year, century = 3) => [FROM, YEARS + century, year, TO, YEARS + century];

/** Years of 2 to 97 leave something on both sides. */
export const PROMPTS = Array.from({ length: 96 }, (_, i) => span(i + 2));
/** The same with the year 01, as Hanna et al. corrupt their prompts: everything but 00 and 01 is right. */
export const CORRUPT = PROMPTS.map(() => span(1));

export function yearData() {
  const roll = dice(4);
  return dataOf(
    Array.from({ length: 20_000 }, () => {
      const year = roll(YEARS - 1);
      return { tokens: span(year, roll(CENTURIES)), targets: [-1, -1, -1, -1, year + 1 + roll(YEARS - 1 - year)] };
    }),
    512,
  );
}

/** Probabilities of the 100 years after each prompt, [prompt, year]. @param {import("tritlens").Tensor} logits - [prompt, 1, year]. */
export function probabilities(logits) {
  const [prompts] = logits.shape;
  return Array.from({ length: prompts }, (_, b) => {
    const row = logits.data.subarray(b * YEARS, (b + 1) * YEARS);
    const most = Math.max(...row);
    const weights = Array.from(row, (x) => Math.exp(x - most));
    const sum = weights.reduce((a, x) => a + x, 0);
    return weights.map((x) => x / sum);
  });
}

/** Probability of later years less that of the others, mean over the prompts: the metric of Hanna et al. 2023. @type {import("tritlens/interp").Metric} */
export const probDiff = {
  name: "probability difference",
  reads: { positions: "last" },
  value: (logits) => {
    const each = probabilities(logits).map((row, b) => row.reduce((sum, p, year) => sum + (year > PROMPTS[b][FIRST] ? p : -p), 0));
    return each.reduce((sum, x) => sum + x, 0) / each.length;
  },
};

/** A picture of the probabilities: every eighth prompt, years in tens. @param {string} title @param {import("tritlens").Tensor} logits @returns {import("tritlens/plots").HeatmapChart} */
export function yearMap(title, logits) {
  const rows = probabilities(logits)
    .map((row, b) => ({ year: PROMPTS[b][FIRST], row }))
    .filter((_, b) => b % 8 === 0);
  const tens = Array.from({ length: YEARS / 10 }, (_, i) => 10 * i);
  return {
    kind: "heatmap",
    title,
    values: rows.flatMap(({ row }) => tens.map((from) => row.slice(from, from + 10).reduce((sum, x) => sum + x, 0))),
    x: { name: "years said", labels: tens.map((from) => `${from}-${from + 9}`) },
    y: { name: "year in the prompt", labels: rows.map(({ year }) => `${year}`) },
    scale: "sequential",
    range: [0, 0.3],
    unit: "probability",
  };
}
