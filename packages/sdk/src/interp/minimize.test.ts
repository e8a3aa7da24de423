import { expect, test } from "vitest";
import { minimize } from "./minimize.ts";

test("a quadratic of any condition", () => {
  const scales = [1, 10, 100, 1000];
  const found = minimize(
    (x) => ({
      value: scales.reduce((sum, s, i) => sum + (s / 2) * (x[i] - i) ** 2, 0),
      grad: x.map((v, i) => scales[i] * (v - i)),
    }),
    new Float64Array(4),
  );
  for (const [i, v] of found.entries()) expect(v).toBeCloseTo(i, 6);
});

test("a narrow valley, where the gradient grows on the way (Rosenbrock)", () => {
  const [x, y] = minimize(
    ([a, b]) => ({
      value: (1 - a) ** 2 + 100 * (b - a * a) ** 2,
      grad: Float64Array.of(-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)),
    }),
    Float64Array.of(-1.2, 1),
  );
  expect(x).toBeCloseTo(1, 4);
  expect(y).toBeCloseTo(1, 4);
});

test("ends at once where the gradient is 0, and after the steps allowed", () => {
  let calls = 0;
  minimize((x) => {
    calls++;
    return { value: 0, grad: x };
  }, new Float64Array(2));
  expect(calls).toBe(1);
  const far = minimize(([x]) => ({ value: Math.exp(-x), grad: Float64Array.of(-Math.exp(-x)) }), Float64Array.of(0), { steps: 3 });
  expect(far[0]).toBeGreaterThan(0);
});
