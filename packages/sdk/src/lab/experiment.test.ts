import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TritlensError } from "../core/index.ts";
import type { ModAddAnalysis, ModAddPictures, ModAddProgress } from "../interp/index.ts";
import type { Engine, EngineRun, Evaluation } from "./engine.ts";
import type { ExperimentEvent } from "./events.ts";
import { runExperiment } from "./experiment.ts";
import { readJson, writeJson } from "./folder.ts";
import type { ReproduceOptions } from "./options.ts";
import type { Results } from "./results.ts";

let out: string;
beforeAll(async () => {
  const assets = await mkdtemp(join(tmpdir(), "tritlens-assets-"));
  const { bundleReport } = (await import(fileURLToPath(new URL("../../scripts/bundle-assets.mjs", import.meta.url)))) as {
    bundleReport: (folder: string) => Promise<void>;
  };
  await bundleReport(assets);
  process.env.TRITLENS_REPORT_ASSETS = assets;
});
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "tritlens-experiment-"));
});

/** An evaluation that depends on mode, seed and epoch alone, as a deterministic training does. Accuracy is 1 from epoch 100 on. */
function evaluation(mode: string, seed: number, epoch: number): Evaluation {
  const x = Math.sin(epoch * 0.01 + seed + mode.length);
  return {
    epoch,
    train_loss: Math.exp(-epoch / 50) + 0.01 + 0.001 * x,
    test_loss: 5 * Math.exp(-epoch / 80),
    train_accuracy: 1,
    test_accuracy: epoch >= 100 ? 1 : epoch / 200,
    flips: mode === "fp32" ? {} : { "blocks.0.attn.W_Q": 0.1 },
  };
}

const ANALYSIS = {
  key_frequencies: [3, 5],
  test_accuracy: 1,
  train_loss: 0.01,
  logit_fve_key: 0.9,
  restricted_loss: { all: 0.01, train: 0.01, test: 0.01 },
  excluded_loss: { all: 3, train: 3, test: 3 },
  neurons: { alive: 10, fve_ge_085: 8, frequency: [], fve: [], clusters: {} },
  gradient_symmetricity: 1,
  distance_irrelevance: 0.9,
  attention: [],
  embedding_power_share_all: [0.5],
  logit_share_all: [0.5],
  codes: {},
  ablations: [],
  circles: [],
  untrained: null,
  key_frequency_rule: { note: "declared" },
} as unknown as ModAddAnalysis;
const MAP = { rows: 1, cols: 1, values: [1] };
const PICTURES = {
  unembed_spectrum: { share: [1] },
  circles: [],
  attention: [],
  neurons: [],
  logit_spectrum: MAP,
  neuron_fve: { counts: [] },
  codes: [],
  singular_values: { embedding: [], random: [] },
  phase_sum: { counts: [] },
  logit_by_offset: { model: [], fit: [] },
  correct_logit_by_distance: MAP,
} as unknown as ModAddPictures;

interface FakeOptions {
  /** Throws this at that epoch, in this mode. */
  failAt?: { mode: string; epoch: number; error: Error };
  /** Called before each evaluation. */
  onEpoch?: (epoch: number) => void;
}

/** An engine whose training is a formula and whose checkpoint is the epoch alone. */
class FakeEngine implements Engine {
  readonly environment = { tritlens: "0", node: "0", platform: "", cpu: "", cores: 1, backend: "fake", isa: "", threads: 1 };
  readonly #options: FakeOptions;
  opened = 0;
  constructor(options: FakeOptions = {}) {
    this.#options = options;
  }
  task: Engine["task"] = ({ task }) => ({ ...task, train_pairs: 3, test_pairs: 6, split: "li" });
  open: Engine["open"] = async (run, plan, folder): Promise<EngineRun> => {
    this.opened++;
    const { failAt, onEpoch } = this.#options;
    const checkpoint = folder.file("checkpoint.safetensors");
    let now = 0;
    return {
      async *train(signal) {
        const from = (await readJson<number>(checkpoint)) ?? -1;
        for (let epoch = 0; epoch <= run.maxEpochs; epoch += plan.training.eval_every) {
          if (epoch <= from) continue;
          onEpoch?.(epoch);
          if (failAt && failAt.mode === run.mode.id && failAt.epoch === epoch) throw failAt.error;
          now = epoch;
          yield evaluation(run.mode.id, run.seed, epoch);
          if (epoch % 50 === 0 || signal?.aborted) await writeJson(checkpoint, epoch);
          if (signal?.aborted) throw new TritlensError("E_ABORTED", "stopped");
        }
      },
      snapshot: (path) => writeJson(path, now),
      restore: async (path) => {
        now = (await readJson<number>(path)) ?? Number.NaN;
      },
      analyse: async () => ({ analysis: ANALYSIS, pictures: PICTURES }),
      progress: async (keys) => ({ keys, at: now, restricted_loss: { all: 1 }, excluded_loss: { train: 1 } }) as unknown as ModAddProgress,
      close: () => {},
    };
  };
}

async function run(options: ReproduceOptions, engine: Engine): Promise<{ events: ExperimentEvent[]; results: Results }> {
  const events: ExperimentEvent[] = [];
  const steps = runExperiment({ out, epochs: 1000, evalEvery: 10, ...options }, engine);
  for (;;) {
    const step = await steps.next();
    if (step.done) return { events, results: step.value };
    events.push(step.value);
  }
}

/** Results without times and dates, which differ from run to run. */
function timeless(results: Results): unknown {
  return JSON.parse(JSON.stringify(results, (key, value: unknown) => (/seconds|started|updated/.test(key) ? undefined : value)));
}

describe("a run", () => {
  it("ends when accuracy has held, with results, report and progress", async () => {
    const { events, results } = await run({ modes: ["fp32"] }, new FakeEngine());
    expect(results.runs[0]).toMatchObject({ status: "done", epochs: 600, grok_epoch: 100 });
    expect(results.runs[0]?.progress.map((p) => (p as unknown as { at: number }).at)).toEqual(results.runs[0]?.progress.map((p) => p.epoch));
    expect(results.runs[0]?.progress.at(-1)?.epoch).toBe(600);
    expect(events.map((e) => e.type).filter((t, i, all) => t !== all[i - 1])).toEqual([
      "start",
      "run",
      "progress",
      "stage",
      "run-end",
      "report",
      "end",
    ]);
    expect(await readFile(join(out, "report.html"), "utf8")).toContain("tritlens.report/1");
    expect(timeless(JSON.parse(await readFile(join(out, "results.json"), "utf8")) as Results)).toEqual(timeless(results));
  });

  it("ends at its limit when it never groks, and goes on when the limit is raised", async () => {
    const first = await run({ modes: ["fp32"], epochs: 50 }, new FakeEngine());
    expect(first.results.runs[0]).toMatchObject({ status: "done", epochs: 50, grok_epoch: null });
    const second = await run({ modes: ["fp32"], epochs: 1000 }, new FakeEngine());
    expect(second.results.runs[0]).toMatchObject({ status: "done", epochs: 600, grok_epoch: 100 });
  });

  it("is not trained again when it is done", async () => {
    const engine = new FakeEngine();
    const first = await run({ modes: ["fp32"] }, engine);
    const second = await run({ modes: ["fp32"] }, engine);
    expect(engine.opened).toBe(1);
    expect(timeless(second.results)).toEqual(timeless(first.results));
  });
});

describe("rendering", () => {
  it("takes the finished runs as they are and trains nothing", async () => {
    await run({ modes: ["fp32"], epochs: 50 }, new FakeEngine());
    const engine = new FakeEngine();
    const { results } = await run({ modes: ["fp32", "li_ternary"], seeds: 2, renderOnly: true }, engine);
    expect(engine.opened).toBe(0);
    expect(results.runs).toMatchObject([{ mode: "fp32", seed: 0, status: "done", epochs: 50 }]);
  });
});

describe("stopping and resuming", () => {
  it("after an abort gives the results of an unbroken run", async () => {
    const whole = await run({ modes: ["fp32", "li_ternary"] }, new FakeEngine());
    await rm(out, { recursive: true });
    const controller = new AbortController();
    const stopping = new FakeEngine({ onEpoch: (epoch) => epoch === 230 && controller.abort() });
    await expect(run({ modes: ["fp32", "li_ternary"], signal: controller.signal }, stopping)).rejects.toMatchObject({ code: "E_ABORTED" });
    expect((await readJson<Results>(join(out, "results.json")))?.runs[0]).toMatchObject({ status: "stopped", epochs: 230 });
    const { results } = await run({ modes: ["fp32", "li_ternary"] }, new FakeEngine());
    expect(timeless(results)).toEqual(timeless(whole.results));
  });

  it("after kill -9 with lines beyond the checkpoint and a torn one gives the same", async () => {
    const whole = await run({ modes: ["li_ternary"] }, new FakeEngine());
    await rm(out, { recursive: true });
    // The process dies at epoch 230: the last checkpoint is of 200, the curves reach further, the last line is half written.
    await run(
      { modes: ["li_ternary"] },
      new FakeEngine({ failAt: { mode: "li_ternary", epoch: 230, error: new TritlensError("E_MEMORY", "stand-in for the kill") } }),
    );
    await rm(join(out, "runs/li_ternary-s0/run.json"));
    await appendFile(join(out, "runs/li_ternary-s0/curves.jsonl"), '{"epoch":230,"tra');
    const { results } = await run({ modes: ["li_ternary"] }, new FakeEngine());
    expect(timeless(results)).toEqual(timeless(whole.results));
  });

  it("does the analysis again when it died there, without training again", async () => {
    const whole = await run({ modes: ["fp32"] }, new FakeEngine());
    for (const file of ["run.json", "analysis.json", "progress.json"]) await rm(join(out, "runs/fp32-s0", file));
    const epochs: number[] = [];
    const { results } = await run({ modes: ["fp32"] }, new FakeEngine({ onEpoch: (e) => epochs.push(e) }));
    expect(epochs).toEqual([]);
    expect(results.runs[0]?.analysis).toEqual(whole.results.runs[0]?.analysis);
  });
});

describe("trouble", () => {
  it("in one mode leaves the others their results", async () => {
    const error = new TritlensError("E_NONFINITE", "the loss is not finite", { expected: "a finite loss", found: "NaN at step 40" });
    const { results } = await run({ modes: ["fp32", "li_binary"] }, new FakeEngine({ failAt: { mode: "fp32", epoch: 40, error } }));
    expect(results.state).toBe("complete");
    expect(results.runs[0]).toMatchObject({ status: "diverged", error: { code: "E_NONFINITE", found: "NaN at step 40" }, epochs: 30 });
    expect(results.runs[1]).toMatchObject({ status: "done", error: null });
    expect(results.verdict.modes.find((m) => m.mode === "fp32")?.circuit).toBe("no result");
  });

  it("tries a failed run again and a diverged one not", async () => {
    const memory = new TritlensError("E_MEMORY", "no room");
    await run({ modes: ["fp32"] }, new FakeEngine({ failAt: { mode: "fp32", epoch: 40, error: memory } }));
    expect((await run({ modes: ["fp32"] }, new FakeEngine())).results.runs[0]?.status).toBe("done");
  });

  it("with the disk ends the experiment and keeps what there is", async () => {
    const full = new TritlensError("E_IO", "cannot write", { found: "ENOSPC: no space left on device" });
    await expect(run({ modes: ["fp32", "li_binary"] }, new FakeEngine({ failAt: { mode: "li_binary", epoch: 40, error: full } }))).rejects.toBe(full);
    const results = await readJson<Results>(join(out, "results.json"));
    expect(results).toMatchObject({ state: "stopped", runs: [{ status: "done" }, { status: "failed", error: { code: "E_IO" } }] });
  });

  it("refuses a folder with another experiment, naming the field, and begins again with fresh", async () => {
    await run({ modes: ["fp32"] }, new FakeEngine());
    await expect(run({ modes: ["fp32"], p: 31 }, new FakeEngine())).rejects.toThrow(/^E_CHECKPOINT: .*task\.p differs.*expected 31; found 113/);
    expect((await run({ modes: ["fp32"], p: 31, fresh: true }, new FakeEngine())).results.task.p).toBe(31);
  });

  it("refuses a folder in which another process works", async () => {
    const first = runExperiment({ out, modes: ["fp32"], evalEvery: 10 }, new FakeEngine());
    await first.next();
    await expect(run({ modes: ["fp32"] }, new FakeEngine())).rejects.toMatchObject({ code: "E_LOCKED" });
    await first.return(undefined as never);
    expect((await run({ modes: ["fp32"], epochs: 50 }, new FakeEngine())).results.state).toBe("complete");
  });

  it("leaves a folder with other files alone when told to begin afresh", async () => {
    await writeFile(join(out, "thesis.tex"), "");
    await expect(run({ fresh: true }, new FakeEngine())).rejects.toMatchObject({ code: "E_IO" });
  });
});
