/** Training, checkpoints and resuming behind one backend. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Core,
  loadCheckpoint,
  type Model,
  modelFromCheckpoint,
  modularAddition,
  parseCheckpoint,
  saveCheckpoint,
  serializeSafetensors,
  type TrainEvent,
  type TrainOptions,
  train,
} from "tritlens";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { coreUnderTest, smallLi, smallNanda } from "./support.ts";

const data = modularAddition({ p: 11, fraction: 0.6, seed: 1 });

let core: Core;
let folder = "";
beforeAll(async () => {
  core = await coreUnderTest();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens-train-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function events(model: Model, options: TrainOptions, set = data): Promise<TrainEvent[]> {
  const out: TrainEvent[] = [];
  for await (const event of train(model, set, options)) out.push(event);
  return out;
}

const losses = (list: readonly TrainEvent[]): number[] =>
  list.flatMap((e) => Array.from({ length: e.rows.length / e.columns.length }, (_, i) => e.rows[i * e.columns.length] as number));
const params = (model: Model): number[][] => model.paramNames.map((name) => [...model.readParam(name).data]);

describe("train", () => {
  it("learns and reports every step once", async () => {
    const model = smallLi("fp32");
    const list = await events(model, { steps: 120, evalEvery: 40, log: 25 });
    expect(list.map((e) => e.step)).toEqual([0, 25, 40, 50, 75, 80, 100, 120]);
    const all = losses(list);
    expect(all.length).toBe(120);
    expect(all[119]).toBeLessThan((all[0] as number) / 2);
    expect(list[0]?.evaluation?.trainLoss).toBeCloseTo(all[0] as number, 4);
    expect(list.at(-1)).toMatchObject({ done: "steps", lr: 1e-3, columns: expect.arrayContaining(["loss", "lr"]) });
    expect(list.at(-1)?.firstStep).toBe(100);
    model.dispose();
  });
  it("counts code flips of low-bit weights", async () => {
    const model = smallLi("ternary");
    const before = model.paramCodes("blocks.0.mlp.W_in").codes;
    const [, event] = await events(model, { steps: 1, evalEvery: 0, log: 1 }).then((list) => [undefined, ...list]);
    const after = model.paramCodes("blocks.0.mlp.W_in").codes;
    const changed = after.reduce((n, c, i) => n + (c === before[i] ? 0 : 1), 0);
    expect(event?.flips["blocks.0.mlp.W_in"]).toBe(changed);
    model.dispose();
  });
  it("gives the same bits in one chunk and in many", async () => {
    for (const mode of ["fp32", "li_binary", "ternary"] as const) {
      const [a, b] = [smallLi(mode, 3), smallLi(mode, 3)];
      await events(a, { steps: 30, evalEvery: 0 });
      await events(b, { steps: 30, evalEvery: 0, log: 1 });
      expect(params(a)).toEqual(params(b));
      a.dispose();
      b.dispose();
    }
  });
  it("computes the same loss as a run of the model, and the same accuracy", async () => {
    for (const model of [smallLi("li_ternary", 2), smallLi("binary", 2)]) {
      const [first] = await events(model, { steps: 1, evalEvery: 1 });
      const fresh = smallLi(model.quantOf("blocks.0.attn.W_Q") as "binary", 2);
      const { loss, logits } = fresh.runWithCache(data.test.tokens, { names: "hook_embed", loss: { targets: data.test.targets } });
      expect(first?.testLoss).toBeCloseTo(loss as number, 5);
      const right = data.test.targets.reduce((n, target, r) => {
        const row = logits.data.subarray(r * 11, r * 11 + 11);
        return n + (row.indexOf(Math.max(...row)) === target ? 1 : 0);
      }, 0);
      expect(first?.testAccuracy).toBeCloseTo(right / data.test.targets.length, 10);
      model.dispose();
      fresh.dispose();
    }
  });
  it("ends when the accuracy has held, or when the caller says so", async () => {
    const model = smallLi("fp32");
    const list = await events(model, { steps: 1000, evalEvery: 5, until: { testAccuracy: 0, hold: 20 } });
    expect(list.at(-1)).toMatchObject({ step: 20, done: "until" });
    const other = await events(model, { steps: 1000, evalEvery: 0, log: 7, until: (e) => e.step >= 14 });
    expect(other.at(-1)).toMatchObject({ step: 14, done: "until" });
    model.dispose();
  });
  it("leaves the model at a whole step when the loop is broken", async () => {
    const [a, b] = [smallLi("fp32", 1), smallLi("fp32", 1)];
    for await (const e of train(a, data, { steps: 1000, evalEvery: 0, log: 10 })) if (e.step === 20) break;
    await events(b, { steps: 20, evalEvery: 0 });
    expect(params(a)).toEqual(params(b));
    a.dispose();
    b.dispose();
  });
  it("throws the signal's reason, before and while training, and trains again afterwards", async () => {
    const model = smallLi("fp32");
    const reason = new Error("enough");
    await expect(events(model, { steps: 10, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 30);
    await expect(events(model, { steps: 10_000_000, evalEvery: 0, signal: controller.signal })).rejects.toBe(reason);
    expect((await events(model, { steps: 2, evalEvery: 0 })).at(-1)?.step).toBe(2);
    model.dispose();
  });
  it("is one at a time for each model", async () => {
    const model = smallLi("fp32");
    for await (const _ of train(model, data, { steps: 2, evalEvery: 1 }))
      await expect(events(model, { steps: 1 })).rejects.toMatchObject({ code: "E_BUSY" });
    model.dispose();
  });
  it("refuses options that make no sense", async () => {
    const model = smallLi("fp32");
    for (const bad of [
      { steps: 0 },
      { steps: 1.5 },
      { steps: 5, evalEvery: -1 },
      { steps: 5, lr: Number.NaN },
      { steps: 5, beta2: 1 },
      { steps: 5, log: 0 },
    ]) {
      await expect(events(model, bad), JSON.stringify(bad)).rejects.toMatchObject({ code: "E_RANGE" });
    }
    await expect(events(model, { steps: 5, schedule: "cosin" as never })).rejects.toMatchObject({
      code: "E_NAME",
      nearest: expect.stringContaining("cosine"),
    });
    const wide = modularAddition({ p: 13 });
    await expect(events(model, { steps: 5 }, wide)).rejects.toMatchObject({ code: "E_RANGE" });
    model.dispose();
  });
  it("warms up and decays", async () => {
    const model = smallLi("fp32");
    const list = await events(model, { steps: 20, evalEvery: 0, log: 1, warmupSteps: 10, schedule: "linear", lr: 0.01 });
    const rates = list.map((e) => e.lr);
    expect(rates[0]).toBe(0); // Nanda's multiplier is min(step / 10, 1): the first update has rate 0
    expect(rates[5]).toBeCloseTo(0.005, 10);
    expect(rates[19]).toBeLessThan(rates[10] as number);
    model.dispose();
  });
});

describe("a loss that is not finite", () => {
  const spoil = (model: Model): void => {
    const w = model.readParam("unembed.W_U").data;
    w[3] = Number.NaN;
    model.writeParam("unembed.W_U", w);
  };
  it("throws E_NONFINITE and keeps the last good parameters", async () => {
    const model = smallLi("fp32");
    spoil(model);
    const before = params(model);
    await expect(events(model, { steps: 5, evalEvery: 0 })).rejects.toMatchObject({
      code: "E_NONFINITE",
      message: expect.stringContaining("step 0"),
    });
    expect(params(model)).toEqual(before);
    model.dispose();
  });
  it("comes from an exploding rate, after whole steps, with the last checkpoint named", async () => {
    const model = smallLi("fp32");
    const path = join(folder, "a.safetensors");
    const run = events(model, { steps: 2000, evalEvery: 0, lr: 1e6, weightDecay: 0, checkpoint: { path, every: 1 } });
    await expect(run).rejects.toMatchObject({ code: "E_NONFINITE" });
    expect(params(model).flat().every(Number.isFinite)).toBe(true);
    expect((await loadCheckpoint(path)).step).toBeGreaterThan(0);
    model.dispose();
  });
  it("ends the run with an event when asked to", async () => {
    const model = smallLi("fp32");
    spoil(model);
    const list = await events(model, { steps: 5, evalEvery: 0, onNonFinite: "stop" });
    expect(list.at(-1)?.done).toBe("nonfinite");
    model.dispose();
  });
});

describe("checkpoints", () => {
  it.each(["fp32", "li_binary", "li_ternary"] as const)("resume bit for bit: %s", async (mode) => {
    const path = join(folder, "run.safetensors");
    const straight = smallLi(mode, 4);
    const common = { evalEvery: 8, log: 5, until: { testAccuracy: 0, hold: 32 } };
    const whole = await events(straight, { ...common, steps: 40, lr: 3e-3, warmupSteps: 3 });
    expect(whole.at(-1)).toMatchObject({ step: 32, done: "until" });
    const half = smallLi(mode, 4);
    const first = await events(half, { ...common, steps: 13, lr: 3e-3, warmupSteps: 3, totalSteps: 40, checkpoint: { path } });
    half.dispose();
    const saved = await loadCheckpoint(path);
    const resumed = modelFromCheckpoint(saved);
    const second = await events(resumed, { ...common, steps: 40, resume: saved });
    expect(second.at(-1)).toMatchObject({ step: 32, done: "until" });
    expect(params(resumed)).toEqual(params(straight));
    expect([...losses(first), ...losses(second)]).toEqual(losses(whole));
    straight.dispose();
    resumed.dispose();
  });
  it("resume at the abort, with the interval that was not reported yet", async () => {
    const path = join(folder, "run.safetensors");
    const controller = new AbortController();
    const model = smallLi("ternary", 6);
    const reported: TrainEvent[] = [];
    const run = async (): Promise<void> => {
      for await (const e of train(model, data, {
        steps: 1e6,
        evalEvery: 100,
        log: 100,
        checkpoint: { path },
        signal: controller.signal,
        chunkMs: 1,
      })) {
        reported.push(e);
        // A few chunks later, however fast the machine is.
        if (e.step === 200) setTimeout(() => controller.abort(), 2);
      }
    };
    await expect(run()).rejects.toMatchObject({ name: "AbortError" });
    const saved = await loadCheckpoint(path);
    expect(saved.training?.pending.firstStep).toBe(reported.at(-1)?.step);
    const steps = Math.ceil(saved.step / 100) * 100 + 100;
    const rest = await events(model, { steps, evalEvery: 100, log: 100, resume: saved });
    const straight = smallLi("ternary", 6);
    const whole = await events(straight, { steps, evalEvery: 100, log: 100 });
    expect([...losses(reported), ...losses(rest)]).toEqual(losses(whole));
    expect(rest[saved.step % 100 === 0 ? 1 : 0]?.rows.length).toBe(whole[1]?.rows.length);
    model.dispose();
    straight.dispose();
  });
  it("keep data, settings and the caller's own", async () => {
    const path = join(folder, "run.safetensors");
    const model = smallLi("ternary");
    const extra = () => ({ strings: new Map([["note", "é\u0000"]]), tensors: new Map([["curve", model.readParam("ln_final.w")]]) });
    await events(model, { steps: 3, evalEvery: 0, weightDecay: 0.5, checkpoint: { path, extra } });
    const c = await loadCheckpoint(path);
    expect(c).toMatchObject({ format: "tritlens", step: 3, data: data.description, training: { optimizer: { weightDecay: 0.5, beta2: 0.98 } } });
    expect(c.config).toEqual(model.config);
    expect([...(c.trainIndices ?? [])]).toEqual([...data.trainIndices]);
    expect(c.extra.get("note")).toBe("é\u0000");
    expect(c.extraTensors.get("curve")?.size).toBe(24);
    expect([...c.params.keys()]).toEqual([...model.stateDict().keys()]);
    expect(await readdir(folder)).toEqual(["run.safetensors"]);
    model.dispose();
  });
  it("are written after the event of their step was consumed", async () => {
    const path = join(folder, "run.safetensors");
    const model = smallLi("fp32");
    const steps: (number | undefined)[] = [];
    for await (const e of train(model, data, { steps: 6, evalEvery: 2, log: 2, checkpoint: { path, every: 2 } })) {
      steps.push(
        e.step,
        await loadCheckpoint(path).then(
          (c) => c.step,
          () => undefined,
        ),
      );
    }
    expect(steps).toEqual([0, undefined, 2, undefined, 4, 2, 6, 4]);
    expect((await loadCheckpoint(path)).step).toBe(6);
    model.dispose();
  });
  it("of another architecture, data set or origin are refused by the field's name", async () => {
    const path = join(folder, "run.safetensors");
    const model = smallLi("ternary");
    await events(model, { steps: 1, evalEvery: 0, checkpoint: { path } });
    const saved = await loadCheckpoint(path);
    const others: [Model, RegExp][] = [
      [smallLi("binary"), /E_CHECKPOINT.*config.quantizer.*expected binary.*found ternary/],
      [smallNanda(), /E_CHECKPOINT.*config\./],
    ];
    for (const [other, message] of others) {
      await expect(events(other, { steps: 5, resume: saved })).rejects.toThrow(message);
      other.dispose();
    }
    await expect(events(model, { steps: 5, resume: saved }, modularAddition({ p: 11, fraction: 0.6, seed: 2 }))).rejects.toThrow(
      /E_CHECKPOINT.*data.seed.*expected 2.*found 1/,
    );
    const { training: _, ...weightsOnly } = saved;
    await expect(events(model, { steps: 5, resume: weightsOnly })).rejects.toThrow(/E_CHECKPOINT.*optimiser/);
    await writeFile(path, serializeSafetensors([["embed.W_E", model.readParam("embed.W_E")]]));
    await expect(loadCheckpoint(path)).rejects.toThrow(/E_CHECKPOINT.*origin/);
    await expect(loadCheckpoint(path, { config: model.config as never })).rejects.toThrow(/E_CHECKPOINT.*blocks.0.attn.W_Q/);
    model.dispose();
  });
  it("that were truncated or bit-flipped are refused, at every place", async () => {
    const path = join(folder, "run.safetensors");
    const model = smallLi("ternary");
    await events(model, { steps: 1, evalEvery: 0, checkpoint: { path } });
    model.dispose();
    const bytes = new Uint8Array(await readFile(path));
    const refused = { code: expect.stringMatching(/^E_(FORMAT|CHECKPOINT)$/) };
    for (let i = 0; i < 400; i++) {
      const bad = bytes.slice();
      const at = i < 200 ? i * 17 : Math.floor((i / 400) * bytes.length);
      bad[at] = (bad[at] as number) ^ (1 << (i % 8));
      await expect(parseCheckpoint(bad), `bit ${i % 8} of byte ${at}`).rejects.toMatchObject(refused);
    }
    for (let n = 0; n < bytes.length; n += 997) await expect(parseCheckpoint(bytes.slice(0, n)), `${n} bytes`).rejects.toMatchObject(refused);
    await expect(parseCheckpoint(bytes)).resolves.toMatchObject({ step: 1 });
  });
  it("stay intact when writing fails, and have one writer", async () => {
    const path = join(folder, "run.safetensors");
    const [a, b] = [smallLi("fp32"), smallLi("fp32", 1)];
    for await (const _ of train(a, data, { steps: 2, evalEvery: 1, checkpoint: { path } })) {
      await expect(events(b, { steps: 1, checkpoint: { path } })).rejects.toMatchObject({ code: "E_LOCKED", found: `process ${process.pid}` });
    }
    const missing = join(folder, "no", "such", "folder", "run.safetensors");
    await expect(events(b, { steps: 1, checkpoint: { path: missing } })).rejects.toMatchObject({ code: "E_IO" });
    const saved = await loadCheckpoint(path);
    await expect(saveCheckpoint(join(folder, "x", "y"), saved)).rejects.toMatchObject({ code: "E_IO" });
    expect((await loadCheckpoint(path)).step).toBe(2);
    a.dispose();
    b.dispose();
  });
  it.skipIf(process.platform === "win32")("stay intact on a full disk", async () => {
    const path = join(folder, "run.safetensors");
    const model = smallLi("fp32");
    await events(model, { steps: 1, evalEvery: 0, checkpoint: { path } });
    const before = await readFile(path);
    // A limit on the size of files makes the system refuse the write half-way, as a full disk does.
    const script = `
      import { writeFileAtomic } from ${JSON.stringify(new URL("../../packages/sdk/dist/core/platform/files.js", import.meta.url).href)};
      process.on("SIGXFSZ", () => {});
      try { await writeFileAtomic(process.argv[1], new Uint8Array(1 << 20)); console.log("written"); } catch (e) { console.log(e.code); }`;
    const { stdout } = spawnSync("bash", ["-c", 'ulimit -f 64; exec "$0" --input-type=module -e "$1" "$2"', process.execPath, script, path], {
      encoding: "utf8",
    });
    expect(stdout.trim()).toBe("E_IO");
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
    expect(await readdir(folder)).toEqual(["run.safetensors"]);
    model.dispose();
  });
});

describe("foreign checkpoints", () => {
  const golden = new URL("../golden/modadd/li_ternary.safetensors", import.meta.url).pathname;
  it("of Li's reference script load with their run's JSON", async () => {
    const c = await loadCheckpoint(golden);
    expect(c).toMatchObject({ format: "li", step: 10_000, config: { quantizer: "li_ternary", dVocabOut: 113, nHeads: 4 } });
    const model = modelFromCheckpoint(c);
    const split = modularAddition({ p: 113, trainIndices: c.trainIndices as Int32Array });
    const { loss } = model.runWithCache(
      { data: split.test.tokens.data.subarray(0, 300), shape: [100, 3] },
      { names: "hook_embed", loss: { targets: split.test.targets.subarray(0, 100) } },
    );
    expect(loss).toBeLessThan(0.05);
    model.dispose();
  });
  it("without their JSON, or with one of another model, are refused", async () => {
    const path = join(folder, "li.safetensors");
    await writeFile(path, await readFile(golden));
    await expect(loadCheckpoint(path)).rejects.toThrow(/E_CHECKPOINT.*args.mode/);
    await writeFile(join(folder, "li.json"), '{"args":{"mode":"li_ternary","p":59},"train":[1,2]}');
    await expect(loadCheckpoint(path)).rejects.toThrow(/E_CHECKPOINT.*W_E.*\[60, 128\].*\[114, 128\]/);
    await writeFile(join(folder, "li.json"), "{");
    await expect(loadCheckpoint(path)).rejects.toMatchObject({ code: "E_CHECKPOINT" });
  });
  it("of TransformerLens load with a config", async () => {
    const [a, path] = [smallNanda(3), join(folder, "tl.safetensors")];
    await writeFile(path, serializeSafetensors(a.stateDict()));
    const b = modelFromCheckpoint(await loadCheckpoint(path, { config: a.config as never }), { core });
    expect([...b.forward([[1, 2, 11]]).data]).toEqual([...a.forward([[1, 2, 11]]).data]);
    a.dispose();
    b.dispose();
  });
});
