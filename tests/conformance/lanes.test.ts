/** Steps whose lanes are computed by several trainers have the bits of steps that one trainer takes, and what is missing is refused. */
import { type Core, type Model, modularAddition, type TrainerHandle } from "tritlens";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { codeOf, coreUnderTest, smallLi } from "./support.ts";

const { train, test } = modularAddition({ p: 11, fraction: 0.6, seed: 1 });
const CONFIG = JSON.stringify({ lr: 1e-3, beta2: 0.98, weightDecay: 1 });
const STEPS = 12;

let core: Core;
let models: Model[];
let trainers: TrainerHandle[];
beforeAll(async () => {
  core = await coreUnderTest();
});
beforeEach(() => {
  models = [1, 2, 3].map(() => smallLi("li_ternary", 4));
  trainers = models.map((model) => {
    const trainer = core.openTrainer(model.program, CONFIG);
    core.setData(trainer, 0, train.tokens.data, train.targets);
    core.setData(trainer, 1, test.tokens.data, test.targets);
    return trainer;
  });
});
afterEach(() => {
  for (const trainer of trainers) core.closeTrainer(trainer);
  for (const model of models) model.dispose();
});

const columns = (): number => core.describeTrainer(trainers[0] as TrainerHandle).columns.length;
const params = (model: Model): number[][] => model.paramNames.map((name) => [...model.readParam(name).data]);

/** Lanes of `which` computed by `from` and handed over to `to`. */
function handOver(from: TrainerHandle, to: TrainerHandle, which: number, lanes: readonly number[], backward: boolean): void {
  const sums = new Float64Array(2);
  for (const lane of lanes) {
    if (backward)
      for (const part of [0, 1]) {
        const gradient = new Float32Array(core.laneLen(from, part));
        core.readLane(from, lane, part, gradient);
        core.writeLane(to, lane, part, gradient);
      }
    core.readLaneSums(from, which, lane, sums);
    core.writeLaneSums(to, which, lane, sums, backward);
  }
}

describe("shared steps", () => {
  it.each([{}, { batchSize: 16, batchSeed: 5 }])("have the bits of whole ones, %o", async (batches) => {
    const config = JSON.stringify({ ...JSON.parse(CONFIG), ...batches });
    for (const trainer of trainers) core.closeTrainer(trainer);
    trainers = models.map((model) => {
      const trainer = core.openTrainer(model.program, config);
      core.setData(trainer, 0, train.tokens.data, train.targets);
      return trainer;
    });
    const [alone, leader, helper] = trainers as [TrainerHandle, TrainerHandle, TrainerHandle];
    const [expected, found] = [new Float64Array(STEPS * columns()), new Float64Array(STEPS * columns())];
    expect(await core.trainSteps(alone, STEPS, expected)).toBe(STEPS);
    const state = new Float32Array(core.describe((models[0] as Model).program).paramLength);
    for (let step = 0; step < STEPS; step++) {
      const own = step % 3;
      core.setTrainerStep(helper, core.trainerStep(leader));
      core.runLanes(leader, 0, 0, own, true);
      core.runLanes(helper, 0, own, 4 - own, true);
      handOver(
        helper,
        leader,
        0,
        [0, 1, 2, 3].filter((lane) => lane >= own),
        true,
      );
      core.finishStep(leader, found.subarray(step * columns(), (step + 1) * columns()));
      core.readTrainerState(leader, 0, state);
      core.writeTrainerState(helper, 0, state);
    }
    expect(found).toEqual(expected);
    expect(params(models[1] as Model)).toEqual(params(models[0] as Model));
    expect(found[0]).not.toBe(found[(STEPS - 1) * columns()]);
    expect(core.trainerStep(leader)).toBe(STEPS);
  });

  it("evaluate as whole ones", async () => {
    const [alone, leader, helper] = trainers as [TrainerHandle, TrainerHandle, TrainerHandle];
    for (const which of [0, 1]) {
      core.runLanes(leader, which, 0, 3, false);
      core.runLanes(helper, which, 3, 1, false);
      handOver(helper, leader, which, [3], false);
      expect([...core.finishEvaluation(leader, which)]).toEqual([...(await core.evaluate(alone, which))]);
    }
  });

  it("need every lane, of the present parameters", () => {
    const [trainer] = trainers as [TrainerHandle];
    const row = new Float64Array(columns());
    expect(codeOf(() => core.finishStep(trainer, row))).toBe("E_SHAPE");
    core.runLanes(trainer, 0, 0, 3, true);
    expect(codeOf(() => core.finishStep(trainer, row))).toBe("E_SHAPE");
    core.runLanes(trainer, 0, 3, 1, false);
    expect(codeOf(() => core.finishStep(trainer, row))).toBe("E_SHAPE");
    core.runLanes(trainer, 0, 3, 1, true);
    expect(codeOf(() => core.finishStep(trainer, new Float64Array(1)))).toBe("E_SHAPE");
    core.finishStep(trainer, row);
    expect(row[0]).toBeGreaterThan(0);
    expect(codeOf(() => core.finishStep(trainer, row))).toBe("E_SHAPE");
    core.runLanes(trainer, 0, 0, 4, true);
    const state = new Float32Array(core.describe((models[0] as Model).program).paramLength);
    core.readTrainerState(trainer, 0, state);
    core.writeTrainerState(trainer, 0, state);
    expect(codeOf(() => core.finishStep(trainer, row))).toBe("E_SHAPE");
  });

  it("refuse what does not exist", () => {
    const [trainer] = trainers as [TrainerHandle];
    expect(codeOf(() => core.runLanes(trainer, 0, 2, 3, true))).toBe("E_RANGE");
    expect(codeOf(() => core.runLanes(trainer, 0, 0xffffffff, 2, true))).toBe("E_RANGE");
    expect(codeOf(() => core.runLanes(trainer, 1, 0, 1, true))).toBe("E_RANGE");
    expect(codeOf(() => core.runLanes(trainer, 7, 0, 1, false))).toBe("E_RANGE");
    expect(codeOf(() => core.laneLen(trainer, 2))).toBe("E_RANGE");
    expect(codeOf(() => core.readLane(trainer, 4, 0, new Float32Array(1)))).toBe("E_RANGE");
    expect(codeOf(() => core.readLane(trainer, 0, 0, new Float32Array(1)))).toBe("E_SHAPE");
    expect(codeOf(() => core.writeLane(trainer, 0, 1, new Float32Array(1)))).toBe("E_SHAPE");
    expect(codeOf(() => core.writeLaneSums(trainer, 0, 0, new Float64Array(1), true))).toBe("E_SHAPE");
    expect(codeOf(() => core.finishEvaluation(trainer, 1))).toBe("E_SHAPE");
  });
});
