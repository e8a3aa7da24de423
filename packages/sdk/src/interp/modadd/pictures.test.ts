import { expect, test } from "vitest";
import { fourierBasis, transform2d } from "../math/fourier.ts";
import { findings } from "./analyze.ts";
import { pictures } from "./pictures.ts";
import { clockModel } from "./synthetic.test-support.ts";

const p = 13;
const acts = clockModel(p, [2, 5]);
const drawn = pictures(findings(acts));

test("pictures are JSON-safe and of the stated sizes", () => {
  expect(JSON.parse(JSON.stringify(drawn))).toEqual(drawn);
  for (const map of [drawn.logit_spectrum, drawn.neuron_spectrum, drawn.correct_logit, drawn.correct_logit_by_distance, drawn.margin, drawn.train]) {
    expect(map.values).toHaveLength(p * p);
  }
  expect(drawn.attention).toHaveLength(2 + 2);
  expect(drawn.neuron_clusters).toEqual([0, 2, 0, 0, 2, 0]);
});

test("circles have one radius", () => {
  expect(drawn.circles.map(({ frequency }) => frequency).sort()).toEqual([2, 5]);
  for (const { x, y } of drawn.circles) {
    const radii = x.map((value, t) => Math.hypot(value, y[t]));
    expect(Math.max(...radii) / Math.min(...radii)).toBeLessThan(1.01);
  }
});

test("a circle that principal components mix comes from the Fourier plane", () => {
  for (const { source, components } of drawn.circles) expect(components).toHaveLength(source === "pca" ? 2 : 0);
});

test("the fit is the mean logit by offset", () => {
  expect(drawn.logit_by_offset.model[0]).toBeCloseTo(4, 3);
  drawn.logit_by_offset.fit.forEach((value, t) => void expect(value).toBeCloseTo(drawn.logit_by_offset.model[t], 2));
});

test("the neurons' spectrum equals the 2-D transform where it is computed", () => {
  const full = transform2d(fourierBasis(p), acts.neurons, p, acts.dMlp);
  for (const [f, g] of [
    [3, 3],
    [4, 4],
    [3, 4],
    [4, 3],
    [9, 10],
    [0, 3],
    [4, 0],
  ] as const) {
    const norm = Math.hypot(...full.subarray((f * p + g) * acts.dMlp, (f * p + g + 1) * acts.dMlp));
    expect(drawn.neuron_spectrum.values[f * p + g]).toBeCloseTo(norm, 2);
  }
});

test("histograms count every clustered neuron", () => {
  const total = (counts: number[]): number => counts.reduce((sum, value) => sum + value, 0);
  expect(total(drawn.neuron_fve.counts)).toBe(4);
  expect(total(drawn.phase_sum.counts)).toBe(4);
});
