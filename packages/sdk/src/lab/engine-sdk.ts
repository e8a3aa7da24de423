/** The engine over the SDK: models, training, checkpoints and analyses. */
import { access } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { type Core, loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { analyzeModAddWithPictures, modAddProgress } from "../interp/index.ts";
import { type Checkpoint, loadCheckpoint, type ModularAddition, modularAddition, saveCheckpoint, type TrainEvent, train } from "../train/index.ts";
import type { Engine, EngineRun, Evaluation } from "./engine.ts";
import type { RunFolder } from "./folder.ts";
import type { Plan, PlannedRun, ReproduceOptions } from "./options.ts";
import type { EnvironmentInfo, TaskInfo } from "./results.ts";
import { VERSION } from "./version.ts";

/** Steps between checkpoints: a few seconds of training at p = 113, so kill -9 loses no more. */
const CHECKPOINT_EVERY = 100;

/** Loads a core and makes an engine of it. @throws E_BACKEND, E_RANGE for a number of threads the core refuses. */
export async function createEngine(options: Pick<ReproduceOptions, "backend" | "threads">): Promise<Engine> {
  const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
  core.setThreads(options.threads ?? availableParallelism());
  return new SdkEngine(core);
}

/** The machine, and the core on it. */
export function environmentOf(core: Core): EnvironmentInfo {
  const { isa, threads } = core.info();
  const cores = cpus();
  return {
    tritlens: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    backend: core.backend,
    isa,
    threads,
  };
}

class SdkEngine implements Engine {
  readonly #core: Core;
  readonly environment: EnvironmentInfo;
  #data: ModularAddition | null = null;

  constructor(core: Core) {
    this.#core = core;
    this.environment = environmentOf(core);
  }

  /** All runs share one split: Li's, so that only quantiser and architecture differ. */
  #split({ task }: Plan): ModularAddition {
    this.#data ??= modularAddition({ p: task.p, fraction: task.fraction, split: "li", seed: task.data_seed });
    return this.#data;
  }

  task(plan: Plan): TaskInfo {
    const { train: t, test } = this.#split(plan);
    return {
      ...plan.task,
      train_pairs: t.targets.length,
      test_pairs: test.targets.length,
      split: `first ${100 * plan.task.fraction} % of torch.randperm after torch.manual_seed(${plan.task.data_seed}), as in Li's code`,
    };
  }

  async open(run: PlannedRun, plan: Plan, folder: RunFolder): Promise<EngineRun> {
    return new SdkRun(this.#core, this.#split(plan), run, plan, folder);
  }
}

class SdkRun implements EngineRun {
  readonly #core: Core;
  readonly #data: ModularAddition;
  readonly #run: PlannedRun;
  readonly #plan: Plan;
  readonly #folder: RunFolder;
  readonly #model: Model;
  #epoch = 0;

  constructor(core: Core, data: ModularAddition, run: PlannedRun, plan: Plan, folder: RunFolder) {
    this.#core = core;
    this.#data = data;
    this.#run = run;
    this.#plan = plan;
    this.#folder = folder;
    this.#model = this.#fresh();
  }

  #fresh(): Model {
    return Model.fromConfig(this.#run.mode.config(this.#plan.task.p), { seed: this.#run.seed, core: this.#core });
  }

  async *train(signal: AbortSignal | undefined): AsyncGenerator<Evaluation> {
    const { training: t } = this.#plan;
    const resume = await this.#checkpoint();
    const sizes = new Map(this.#model.spec.params.map((p) => [p.name, p.shape.reduce((a, b) => a * b, 1)]));
    const options = {
      lr: t.lr,
      beta1: t.beta1,
      beta2: t.beta2,
      eps: t.eps,
      weightDecay: t.weight_decay,
      warmupSteps: this.#run.mode.warmupSteps,
      totalSteps: this.#run.maxEpochs,
    };
    const events = train(this.#model, this.#data, {
      ...options,
      steps: this.#run.maxEpochs,
      evalEvery: t.eval_every,
      log: t.eval_every,
      checkpoint: { path: this.#folder.file("checkpoint.safetensors"), every: CHECKPOINT_EVERY },
      ...(signal ? { signal } : {}),
      ...(resume ? { resume } : {}),
    });
    for await (const event of events) {
      // A resumed training evaluates where it begins; that evaluation is on record from before, with its flips.
      const repeated = resume !== null && event.step === resume.step && event.rows.length === 0;
      this.#epoch = event.step;
      if (!repeated && event.evaluation) yield evaluationOf(event, sizes);
    }
  }

  /** A file that is damaged ends the run with an error: it is never trained over. */
  async #checkpoint(): Promise<Checkpoint | null> {
    const path = this.#folder.file("checkpoint.safetensors");
    const there = await access(path).then(
      () => true,
      () => false,
    );
    return there ? loadCheckpoint(path) : null;
  }

  async snapshot(path: string): Promise<void> {
    const { config } = this.#model;
    if (!config) return;
    const { description: data, trainIndices } = this.#data;
    await saveCheckpoint(path, {
      config,
      step: this.#epoch,
      params: this.#model.stateDict(),
      data,
      trainIndices,
      extra: new Map(),
      extraTensors: new Map(),
    });
  }

  async restore(path: string): Promise<void> {
    const checkpoint = await loadCheckpoint(path);
    this.#model.loadStateDict(checkpoint.params);
    this.#epoch = checkpoint.step;
  }

  async analyse(): ReturnType<EngineRun["analyse"]> {
    const untrained = this.#fresh();
    try {
      return await analyzeModAddWithPictures(this.#model, { trainIndices: this.#data.trainIndices, mode: this.#run.mode.id, untrained });
    } finally {
      untrained.dispose();
    }
  }

  async progress(keys: readonly number[]): ReturnType<EngineRun["progress"]> {
    return modAddProgress(this.#model, { trainIndices: this.#data.trainIndices, keyFrequencies: keys });
  }

  close(): void {
    this.#model.dispose();
  }
}

/** Loss is that of the evaluation, with the parameters as they are now, not the step's loss before its update. */
function evaluationOf(event: TrainEvent, sizes: ReadonlyMap<string, number>): Evaluation {
  const e = event.evaluation;
  return {
    epoch: event.step,
    train_loss: e?.trainLoss ?? Number.NaN,
    test_loss: e?.testLoss ?? Number.NaN,
    train_accuracy: e?.trainAccuracy ?? Number.NaN,
    test_accuracy: e?.testAccuracy ?? Number.NaN,
    flips: flipRates(event, sizes),
  };
}

/** Share of codes that changed a step, averaged over the steps since the event before. */
function flipRates({ rows, columns }: TrainEvent, sizes: ReadonlyMap<string, number>): Record<string, number> {
  const steps = rows.length / columns.length;
  const named = columns.flatMap((column, i) => (column.startsWith("flips.") ? [[column.slice("flips.".length), i] as const] : []));
  const total = (i: number): number => Array.from({ length: steps }, (_, s) => rows[s * columns.length + i] ?? 0).reduce((a, b) => a + b, 0);
  return Object.fromEntries(named.map(([name, i]) => [name, steps === 0 ? 0 : total(i) / steps / (sizes.get(name) ?? 1)]));
}
