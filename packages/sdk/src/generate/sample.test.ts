import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseToken, largest, logSumExp, type Sampling } from "./sample.ts";

const logits = fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 300 }).map((xs) => Float32Array.from(xs));

/** The slow and obvious way. */
function expected(values: Float32Array, { temperature, topK, topP = 1 }: Sampling, draw: number): number {
  const order = [...values.keys()].sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  const max = values[order[0] as number] as number;
  const weight = (i: number): number => Math.exp(((values[i] as number) - max) / temperature);
  const total = (ids: number[]): number => ids.reduce((sum, i) => sum + weight(i), 0);
  let kept = order.slice(0, topK ?? order.length);
  if (topP < 1) {
    const wanted = topP * total(kept);
    kept = kept.slice(0, [...kept.keys()].find((n) => total(kept.slice(0, n + 1)) >= wanted - 1e-12)! + 1);
  }
  if (topK === undefined && topP === 1) kept.sort((a, b) => a - b);
  let left = draw * total(kept);
  for (const i of kept) {
    left -= weight(i);
    if (left < 0) return i;
  }
  return kept.at(-1) as number;
}

describe("choosing a token", () => {
  it("takes the best at temperature 0, the first of equals", () => {
    const never = (): number => {
      throw new Error("drawn");
    };
    expect(chooseToken(Float32Array.of(1, 3, 3, 2), { temperature: 0 }, never)).toBe(1);
    expect(chooseToken(Float32Array.of(1, 3, 3, 2), { temperature: 1, topK: 1 }, never)).toBe(1);
  });

  it("draws as the slow way does", () => {
    const sampling = fc.record(
      {
        temperature: fc.double({ min: 0.1, max: 3, noNaN: true }),
        topK: fc.integer({ min: 1, max: 400 }),
        topP: fc.double({ min: 0.05, max: 1, noNaN: true }),
      },
      { requiredKeys: ["temperature"] },
    );
    // Draws away from the borders between tokens, where rounding decides.
    fc.assert(
      fc.property(logits, sampling, fc.constantFrom(0.0123, 0.3457, 0.6789, 0.9911), (values, options, draw) => {
        expect(chooseToken(values, options as Sampling, () => draw)).toBe(expected(values, options as Sampling, draw));
      }),
    );
  });

  it("keeps every token that topP needs, in a large vocabulary", () => {
    const values = Float32Array.from({ length: 5000 }, () => 1);
    expect(chooseToken(values, { temperature: 1, topP: 0.5 }, () => 0.9999)).toBe(2499);
    expect(chooseToken(values, { temperature: 1, topP: 1 }, () => 0.9999)).toBe(4999);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s", (x) => {
    expect(() => chooseToken(Float32Array.of(0, x), { temperature: 0 }, () => 0)).toThrow(/E_NONFINITE/);
  });

  it("refuses logits of which none is possible", () => {
    expect(() => chooseToken(new Float32Array(3).fill(Number.NEGATIVE_INFINITY), { temperature: 1 }, () => 0)).toThrow(/E_NONFINITE/);
  });

  it("finds the largest", () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 20 }), (values, k) => {
        const order = [...values.keys()].sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
        expect([...largest(values, k)]).toEqual(order.slice(0, k));
      }),
    );
  });

  it("normalises", () => {
    expect(logSumExp(Float32Array.of(0, 0, 0, 0))).toBeCloseTo(Math.log(4), 12);
    expect(logSumExp(Float32Array.of(1000, Number.NEGATIVE_INFINITY))).toBe(1000);
  });
});
