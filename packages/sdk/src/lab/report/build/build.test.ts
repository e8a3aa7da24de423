import { describe, expect, it } from "vitest";
import type { Ablation } from "../../../interp/index.ts";
import { OutputFolder } from "../../folder.ts";
import { LAB_MODES } from "../../modes.ts";
import { judged } from "../../numbers.ts";
import { type Curves, noCurves, type RunResult } from "../../results.ts";
import { plannedResult } from "../../run.ts";
import { verdictOf } from "../../verdict/index.ts";
import { ablationRows } from "./pictures.ts";
import { duration } from "./report.ts";
import { curveSeries, flipSeries, phaseBands, shortName } from "./series.ts";
import { verdictTable } from "./table.ts";

function curves(n: number, flips: Record<string, number[]> = {}): Curves {
  const ramp = Array.from({ length: n }, (_, i) => i);
  return {
    ...noCurves(),
    epoch: ramp.map((i) => 10 * i),
    train_loss: ramp,
    test_loss: ramp,
    train_accuracy: ramp,
    test_accuracy: ramp,
    seconds: ramp,
    flips,
  };
}

function result(change: Partial<RunResult> = {}): RunResult {
  const mode = LAB_MODES[0] as (typeof LAB_MODES)[number];
  return { ...plannedResult({ mode, seed: 0, maxEpochs: 100 }, new OutputFolder("out").run(mode.id, 0)), ...change };
}

describe("series", () => {
  it("are thinned to at most about 500 points, both ends kept", () => {
    const s = curveSeries(curves(2501));
    expect(s.epoch.length).toBeLessThanOrEqual(502);
    expect([s.epoch[0], s.epoch.at(-1)]).toEqual([0, 25_000]);
    expect(curveSeries(curves(3)).epoch).toEqual([0, 10, 20]);
    expect(curveSeries(noCurves()).epoch).toEqual([]);
  });

  it("write what is not finite as a gap", () => {
    expect(curveSeries({ ...curves(2), test_loss: [Number.NaN, 1] }).columns.testLoss).toEqual([null, 1]);
  });

  it("average flips over windows and leave out the first evaluation, before which no step was taken", () => {
    expect(flipSeries(curves(3, { "blocks.0.attn.W_Q": [0, 0.5, 0.25] }))).toEqual({ epoch: [10, 20], columns: { W_Q: [0.5, 0.25] } });
    expect(flipSeries(curves(3))).toBeNull();
    expect(shortName("blocks.0.mlp.W_in")).toBe("W_in");
  });
});

describe("phases", () => {
  it("end where a border was never reached", () => {
    const phases = { memorised: 10, cleanup_start: null, cleanup_end: null, excluded_minimum: null, rules: [] };
    expect(phaseBands(result({ curves: curves(6), phases }))).toEqual([
      { name: "memorises", from: 0, to: 10 },
      { name: "forms the circuit", from: 10, to: 50 },
    ]);
    expect(phaseBands(result())).toEqual([]);
  });
});

describe("ablations", () => {
  it("sum up the frequencies removed one by one", () => {
    const of = (name: string, all: number): Ablation => ({ name, note: "", all, train: all, test: all });
    expect(ablationRows([of("none", 0.1), of("neurons_without_3", 2), of("neurons_without_5", 4), of("something_new", Number.NaN)])).toEqual([
      { name: "nothing changed", loss: 0.1, detail: false },
      { name: "neurons: frequency 3 removed", loss: 2, detail: true },
      { name: "neurons: frequency 5 removed", loss: 4, detail: true },
      { name: "something new", loss: null, detail: false },
      { name: "neurons: one key frequency removed (worst)", loss: 4, detail: false },
    ]);
  });
});

describe("the verdict table", () => {
  it("shows what went wrong instead of numbers", () => {
    const failed = result({
      status: "diverged",
      error: { code: "E_NONFINITE", message: "training diverged at step 40", expected: null, found: null },
    });
    const row = verdictTable(verdictOf([judged(failed, 113)]).modes, [failed], 113).rows[0];
    expect(row?.cells[0]).toEqual({ text: "diverged", tone: "bad", note: "E_NONFINITE: training diverged at step 40" });
    expect(row?.cells.slice(1).every((c) => c.text === "–")).toBe(true);
    expect(row?.cells).toHaveLength(9);
  });
});

describe("durations", () => {
  it("read naturally", () => {
    expect([0.4, 59.4, 75, 3599, 7322].map(duration)).toEqual(["0 s", "59 s", "1 min 15 s", "59 min 59 s", "2 h 2 min"]);
  });
});
