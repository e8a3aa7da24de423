/** kill -9 in the middle of training: the last checkpoint is whole, its lock is taken over, and going on gives the bits of an unbroken run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checkpoint, loadCheckpoint, type Model, modelFromCheckpoint, modularAddition, train } from "tritlens";
import { afterAll, beforeAll, expect, it } from "vitest";
import { coreUnderTest, smallLi } from "./support.ts";

const data = modularAddition({ p: 11, fraction: 0.6, seed: 1 });
/** Steps that the longest-lived child could reach; the unbroken run goes as far as each checkpoint found. */
const MOST = 100_000;
const TIMES = 6;

let folder = "";
beforeAll(async () => {
  await coreUnderTest();
  folder = await mkdtemp(join(tmpdir(), "tritlens-kill-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Trains in a process of its own, from the built package, and kills it after its first checkpoint and a random while. */
async function trainAndKill(path: string, milliseconds: number): Promise<void> {
  const index = new URL("../../packages/sdk/dist/index.js", import.meta.url).href;
  const script = `
    import { existsSync } from "node:fs";
    import { Model, liConfig, loadCheckpoint, loadCore, modelFromCheckpoint, modularAddition, train } from ${JSON.stringify(index)};
    await loadCore();
    const path = process.argv[1];
    const data = modularAddition({ p: 11, fraction: 0.6, seed: 1 });
    const resume = existsSync(path) ? await loadCheckpoint(path) : undefined;
    const model = resume ? modelFromCheckpoint(resume) : Model.fromConfig(liConfig({ p: 11, mode: "li_ternary", dModel: 24, nHeads: 2, dHead: 12, dMlp: 40 }), { seed: 9 });
    for await (const e of train(model, data, { steps: ${MOST}, evalEvery: 0, log: 3, checkpoint: { path, every: 3 }, ...(resume ? { resume } : {}) })) console.log(e.step);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  // The event after a checkpoint proves that one was written in this life.
  await new Promise<void>((resolve) => {
    let lines = 0;
    child.stdout.on("data", (chunk) => {
      lines += String(chunk).split("\n").length - 1;
      if (lines >= 2) resolve();
    });
    child.once("exit", () => resolve());
  });
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  expect(child.exitCode, "the child trains until it is killed").toBeNull();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  expect((await exited)[1]).toBe("SIGKILL");
}

const params = (model: Model): string => JSON.stringify(model.paramNames.map((name) => [...model.readParam(name).data]));

it(`survives ${TIMES} kills`, async () => {
  const path = join(folder, "run.safetensors");
  let last: Checkpoint | undefined;
  for (let i = 0; i < TIMES; i++) {
    await trainAndKill(path, (i * 7.3) % 23);
    const found = await loadCheckpoint(path);
    expect(found.step).toBeGreaterThan(last?.step ?? 0);
    last = found;
  }
  const straight = smallLi("li_ternary", 9);
  const steps = last?.step as number;
  for await (const _ of train(straight, data, { steps, evalEvery: 0, totalSteps: MOST }));
  const resumed = modelFromCheckpoint(last as Checkpoint);
  expect(params(resumed)).toBe(params(straight));
  resumed.dispose();
  // A kill may leave a temporary file and its lock; the next run clears both away.
  for await (const _ of train(straight, data, { steps: 1, evalEvery: 0, checkpoint: { path } }));
  expect(await readdir(folder)).toEqual(["run.safetensors"]);
  straight.dispose();
});
