import { describe, expect, it } from "vitest";
import { grokEpoch, heldFor, snapshotDue, snapshotPlan, thin } from "./schedule.ts";

describe("snapshots", () => {
  it("takes a hundred or fewer, closer together at first, on evaluated epochs only", () => {
    const plan = snapshotPlan(10_000, 10);
    const due = Array.from({ length: 1001 }, (_, i) => i * 10).filter((e) => snapshotDue(plan, e));
    expect(due[0]).toBe(0);
    expect(due[1]).toBe(100);
    expect(due.at(-1)).toBe(10_000);
    expect(due.length).toBe(41 + 24);
    expect(due.every((e) => e % 10 === 0)).toBe(true);
  });

  it("never asks for more than one an evaluation on short runs", () => {
    const plan = snapshotPlan(30, 10);
    expect([0, 10, 20, 30].filter((e) => snapshotDue(plan, e))).toEqual([0, 10, 20]);
  });

  it("thins to the ends and what lies evenly between", () => {
    expect(thin([0, 1, 2, 3, 4, 5, 6, 7, 8], 3)).toEqual([0, 4, 8]);
    expect(thin([5], 3)).toEqual([5]);
  });
});

describe("grokking", () => {
  it("is the first epoch at the threshold, even if accuracy falls again", () => {
    expect(grokEpoch([0, 10, 20, 30], [0.1, 0.99, 0.5, 1], 0.99)).toBe(10);
    expect(grokEpoch([0, 10], [0.1, 0.9899], 0.99)).toBeNull();
    expect(grokEpoch([], [], 0.99)).toBeNull();
  });

  it("holds only without a break", () => {
    expect(heldFor([0, 10, 20, 30], [1, 0.5, 1, 1], 0.999)).toBe(10);
    expect(heldFor([0, 10, 20], [1, 1, 0.9], 0.999)).toBe(0);
    expect(heldFor([0, 10, 20], [1, 1, 1], 0.999)).toBe(20);
  });
});
