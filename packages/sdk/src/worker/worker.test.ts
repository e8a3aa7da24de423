import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TritlensError } from "../core/index.ts";
import { liConfig } from "../models/index.ts";
import { modularAddition, type TrainEvent } from "../train/index.ts";
import { serve } from "./entry.ts";
import { type ModelWorker, openWorker, type WorkerLike } from "./index.ts";

const P = 7;
const config = liConfig({ p: P, mode: "li_ternary", dModel: 16, dHead: 4, dMlp: 32 });
let ports: MessageChannel;
let worker: ModelWorker;

/** A worker's stand-in: the service behind a message channel, so that everything is cloned as it would be. */
beforeEach(async () => {
  ports = new MessageChannel();
  serve(ports.port2);
  ports.port1.start();
  worker = await openWorker({ worker: ports.port1 as unknown as WorkerLike, config, seed: 5 });
});

afterEach(() => {
  worker.close();
  ports.port1.close();
});

async function events(steps: number): Promise<TrainEvent[]> {
  const seen: TrainEvent[] = [];
  for await (const event of worker.train({ p: P }, { steps, evalEvery: 5 })) seen.push(event);
  return seen;
}

describe("ModelWorker", () => {
  it("trains and stays at the event that is held", async () => {
    const [before, seen, after] = [await worker.parameters(), await events(20), await worker.parameters()];
    expect(seen.at(-1)).toMatchObject({ step: 20, done: "steps" });
    expect(after.get("blocks.0.mlp.W_in")).not.toEqual(before.get("blocks.0.mlp.W_in"));
    expect([...before.keys()].length).toBeGreaterThan(5);
  });

  it("loads parameters back", async () => {
    const before = await worker.parameters();
    await events(5);
    await worker.load(before);
    expect(await worker.parameters()).toEqual(before);
    await expect(worker.load(new Map([...before].slice(1)))).rejects.toMatchObject({ code: "E_NAME" });
  });

  it("gives codes and analyses", async () => {
    const { codes, shape } = await worker.codes("blocks.0.mlp.W_in");
    expect(codes.length).toBe(shape.reduce((product, n) => product * n, 1));
    expect(new Set(codes)).toEqual(new Set([-1, 0, 1]));
    expect(await worker.analyze({ p: P, trainIndices: modularAddition({ p: P }).trainIndices })).toHaveProperty("key_frequencies");
  });

  it("aborts with a typed error, and can train again", async () => {
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      for await (const event of worker.train({ p: P }, { steps: 1_000_000, evalEvery: 1 }, abort.signal)) if (event.step > 2) abort.abort();
    };
    await expect(run()).rejects.toMatchObject({ name: "TritlensError", code: "E_ABORTED" });
    expect((await events(3)).at(-1)?.step).toBe(3);
  });

  it("carries errors over with their parts", async () => {
    const error = await worker.codes("blocks.0.mlp.W_inn").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TritlensError);
    expect(error).toMatchObject({ code: "E_NAME", nearest: expect.stringContaining("blocks.0.mlp.W_in") });
    await expect(worker.train({ p: 2 }, { steps: 1 }).next()).rejects.toMatchObject({ code: "E_RANGE", found: "2" });
  });

  it("rejects what waits, and every later call, when it is closed", async () => {
    const waiting = worker.parameters();
    worker.close();
    await expect(waiting).rejects.toMatchObject({ code: "E_CLOSED" });
    await expect(worker.parameters()).rejects.toMatchObject({ code: "E_CLOSED" });
  });
});
