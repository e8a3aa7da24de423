/** The pool against a core that only counts: who computes which lane, and what happens when a worker fails. */
import { describe, expect, it } from "vitest";
import type { Core, TrainerHandle } from "../core.ts";
import { TritlensError } from "../errors.ts";
import { deal } from "./crew.ts";
import { follow } from "./follower.ts";
import { type WebEnd, webLine } from "./line.ts";
import { pooledCore } from "./pool.ts";

const LANES = 4;
const T = 1 as TrainerHandle;

/** A core whose one parameter grows by the sum of its lanes; lane l has gradient (l + 1) * parameter, in two parts. */
function counting(log: string[], name: string, slow = true): Core {
  const lanes = Array.from({ length: LANES }, () => [0, 0] as [number, number]);
  const sums = Array.from({ length: LANES }, () => [0, 0] as [number, number]);
  let param = 1;
  const pause = (): void => {
    const until = performance.now() + (slow ? 3 : 0);
    while (performance.now() < until);
  };
  const run = (first: number, count: number): void => {
    for (let l = first; l < first + count; l++)
      [lanes[l], sums[l]] = [
        [(l + 1) * param, l],
        [l, 1],
      ];
  };
  const finish = (out: Float64Array): void => {
    out[0] = sums.reduce((total, [loss]) => total + loss, 0);
    param += lanes.reduce((total, [a, b]) => total + a + b, 0);
  };
  const core = {
    info: () => ({ version: "", isa: "", isas: [], threads: 1, parallel: "none" }),
    setThreads: (n: number) => {
      if (n < 1) throw new TritlensError("E_RANGE", "no");
      return 1;
    },
    compile: () => 5,
    closeProgram: () => undefined,
    openTrainer: () => T,
    closeTrainer: () => log.push(`${name} close`),
    describeTrainer: () => ({ columns: ["loss"], lanes: LANES }),
    setData: () => log.push(`${name} data`),
    cancelTrainer: () => undefined,
    trainerStep: () => 0,
    setTrainerStep: () => undefined,
    laneLen: () => 1,
    readTrainerState: (_: number, __: number, out: Float32Array) => out.fill(param),
    writeTrainerState: (_: number, __: number, data: Float32Array) => {
      param = data[0] as number;
    },
    runLanes: (_: number, __: number, first: number, count: number) => {
      log.push(`${name} ${first}+${count}`);
      run(first, count);
    },
    readLane: (_: number, lane: number, part: number, out: Float32Array) => out.fill(lanes[lane]?.[part] as number),
    writeLane: (_: number, lane: number, part: number, data: Float32Array) => {
      (lanes[lane] as number[])[part] = data[0] as number;
    },
    readLaneSums: (_: number, __: number, lane: number, out: Float64Array) => out.set(sums[lane] as [number, number]),
    writeLaneSums: (_: number, __: number, lane: number, data: Float64Array) => {
      sums[lane] = [...data] as [number, number];
    },
    finishStep: (_: number, out: Float64Array) => finish(out),
    finishEvaluation: () => [sums.reduce((total, [loss]) => total + loss, 0), 1],
    trainSteps: async (_: number, n: number, out: Float64Array) => {
      pause();
      for (let i = 0; i < n; i++) {
        run(0, LANES);
        finish(out.subarray(i, i + 1));
      }
      return n;
    },
    evaluate: async () => {
      pause();
      return [6, 1];
    },
  };
  return core as unknown as Core;
}

/** A pool whose followers live behind message channels; those in `broken` fail at their first step. */
function pool({ slow = true, broken = [] as number[] } = {}) {
  const log: string[] = [];
  const notices: string[] = [];
  const ports: MessagePort[] = [];
  let spawned = 0;
  const core = pooledCore(counting(log, "leader", slow), {
    module: () => ({}) as WebAssembly.Module,
    notice: (line) => notices.push(line),
    spawn: () => {
      const number = ++spawned;
      const { port1, port2 } = new MessageChannel();
      ports.push(port1, port2);
      const follower = counting(log, `f${number}`);
      if (broken.includes(number))
        follower.runLanes = () => {
          throw new Error("out of memory");
        };
      follow(webLine(port2 as unknown as WebEnd), async () => follower);
      for (const port of [port1, port2]) port.start();
      return webLine(port1 as unknown as WebEnd);
    },
  });
  const state = (): number => {
    const out = new Float32Array(1);
    core.readTrainerState(T, 0, out);
    return out[0] as number;
  };
  const open = (): void => {
    core.openTrainer(core.compile("{}"), "{}");
    core.setData(T, 0, new Int32Array(1), new Int32Array(1));
  };
  return { core, log, notices, state, open, end: () => ports.map((port) => port.close()) };
}

/** Parameter after `n` steps on one thread: each adds 10 times itself and 6. */
const after = (n: number): number => (n === 0 ? 1 : after(n - 1) * 11 + 6);

describe("deal", () => {
  it("gives every lane to one part, contiguously", () => {
    for (let parts = 1; parts <= LANES; parts++) {
      const shares = deal(LANES, parts);
      expect(shares.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i))).toEqual([0, 1, 2, 3]);
    }
  });
});

describe("a pool", () => {
  it("shares the lanes out, once the first step was slow enough", async () => {
    const { core, log, state, open, end } = pool();
    expect(core.setThreads(3)).toBe(3);
    expect(core.info()).toMatchObject({ threads: 3, parallel: "workers" });
    open();
    expect(await core.trainSteps(T, 3, new Float64Array(3))).toBe(3);
    expect(state()).toBe(after(3));
    expect(log.filter((line) => line.includes("+"))).toEqual(
      expect.arrayContaining(["leader 0+1", "f1 1+1", "f2 2+2", "leader 0+1", "f1 1+1", "f2 2+2"]),
    );
    expect([await core.evaluate(T, 0), await core.evaluate(T, 0)]).toEqual([
      [6, 1],
      [6, 1],
    ]);
    core.closeTrainer(T);
    end();
  });

  it("leaves short steps alone", async () => {
    const { core, log, state, open, end } = pool({ slow: false });
    core.setThreads(4);
    open();
    await core.trainSteps(T, 3, new Float64Array(3));
    expect(state()).toBe(after(3));
    expect(log).toEqual(["leader data"]);
    end();
  });

  it("does a lost worker's part itself, in the same step", async () => {
    const { core, notices, state, open, end } = pool({ broken: [2] });
    core.setThreads(4);
    open();
    await core.trainSteps(T, 4, new Float64Array(4));
    expect(state()).toBe(after(4));
    expect(notices).toEqual([expect.stringContaining("out of memory")]);
    expect(core.info().threads).toBe(3);
    end();
  });

  it("tells followers of new parameters and new data", async () => {
    const { core, log, state, open, end } = pool();
    core.setThreads(2);
    open();
    await core.trainSteps(T, 2, new Float64Array(2));
    core.writeTrainerState(T, 0, Float32Array.of(2));
    core.setData(T, 1, new Int32Array(1), new Int32Array(1));
    await core.trainSteps(T, 1, new Float64Array(1));
    expect(state()).toBe(2 * 11 + 6);
    expect(log.filter((line) => line.startsWith("f1 data"))).toHaveLength(2);
    end();
  });

  it("refuses a second call on a trainer in use, and stops when told to", async () => {
    const { core, open, end } = pool();
    core.setThreads(2);
    open();
    const out = new Float64Array(50);
    const running = core.trainSteps(T, 50, out);
    expect(() => core.trainerStep(T)).toThrow(/E_BUSY/);
    await expect(core.evaluate(T, 0)).rejects.toThrow(/E_BUSY/);
    core.cancelTrainer(T);
    expect(await running).toBeLessThan(50);
    expect(core.trainerStep(T)).toBe(0);
    end();
  });
});
