/** Training as an async iterator of progress. */
import type { Core, TrainerHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import type { Model } from "../hooks/index.ts";
import { type FolderLock, lockFile } from "../io/files.ts";
import type { Tensor } from "../tensor/index.ts";
import { type Checkpoint, type PendingSteps, requireSame, type TrainingState } from "./checkpoint.ts";
import type { Examples, ModularAddition, TrainingData } from "./data.ts";
import { loadParams, saveCheckpoint } from "./files.ts";
import { type OptimizerConfig, type OptimizerOptions, optimizerConfig, requireCount } from "./options.ts";
import { giveWay, Pace } from "./pace.ts";

/** What a caller adds to each checkpoint. */
export interface CheckpointExtra {
  /** Kept in the metadata. */
  readonly strings?: ReadonlyMap<string, string>;
  /** Kept beside the parameters. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
}

/** Where and when checkpoints are written. */
export interface CheckpointOptions {
  /** One file, replaced atomically; locked while training, so that no second run writes to it. */
  readonly path: string;
  /** Steps between checkpoints; only at the end (and on abort) when left out. */
  readonly every?: number;
  /** Called for each checkpoint. */
  readonly extra?: () => CheckpointExtra;
}

/** Ends a run once test accuracy stayed at least this high at every evaluation for `hold` steps. */
export interface Until {
  /** Least test accuracy. */
  readonly testAccuracy: number;
  /** Steps it has to hold; 0. */
  readonly hold?: number;
}

/** Options of {@link train}. */
export interface TrainOptions extends OptimizerOptions {
  /** Steps in all, those of a resumed run included. */
  readonly steps: number;
  /** When to end before `steps`. */
  readonly until?: Until | ((event: TrainEvent) => boolean);
  /** Steps between evaluations on both sets; 100. 0 never evaluates. */
  readonly evalEvery?: number;
  /** Steps between events (evaluations always make one); every chunk of about 30 ms when left out. */
  readonly log?: number;
  /** Aborting ends training at a whole step, saves, and throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Where to save; nowhere when left out. */
  readonly checkpoint?: CheckpointOptions;
  /** Continue from here, bit for bit. */
  readonly resume?: Checkpoint;
  /** What a loss or gradient that is not finite does: throw E_NONFINITE, or end the run with an event. The model keeps the last good parameters. */
  readonly onNonFinite?: "throw" | "stop";
  /** Wanted length of one call into the core, in milliseconds; 30. */
  readonly chunkMs?: number;
}

/** Losses and accuracies with the present parameters. NaN for an empty test set. */
export interface Evaluation {
  /** Mean cross-entropy over the training set. */
  readonly trainLoss: number;
  /** Share of right answers on it. */
  readonly trainAccuracy: number;
  /** Mean cross-entropy over the test set. */
  readonly testLoss: number;
  /** Share of right answers on it. */
  readonly testAccuracy: number;
}

/** Progress. The model's parameters are those after `step` steps while the consumer holds it. */
export interface TrainEvent {
  /** Steps taken. */
  readonly step: number;
  /** Mean loss over the last step's examples, the training set or a mini-batch, before its update. NaN in the first event of a run. */
  readonly loss: number;
  /** Learning rate of the last step. */
  readonly lr: number;
  /** At evaluations: both sets with the present parameters. */
  readonly evaluation?: Evaluation;
  /** Short for `evaluation.testLoss`. */
  readonly testLoss?: number;
  /** Short for `evaluation.testAccuracy`. */
  readonly testAccuracy?: number;
  /** Codes that changed in the last step, by quantised parameter. */
  readonly flips: Readonly<Record<string, number>>;
  /** Every step since the event before: row-major [step, column], the first row being step `firstStep` (the number of steps before it). */
  readonly rows: Float64Array;
  /** Names of the columns of `rows`: `loss`, `lr`, `flips.NAME`. */
  readonly columns: readonly string[];
  /** Number of steps before the first row. */
  readonly firstStep: number;
  /** Smoothed time of a step. */
  readonly secondsPerStep?: number;
  /** Seconds left until `steps`. */
  readonly etaSeconds?: number;
  /** Why the run ended, in its last event. */
  readonly done?: "steps" | "until" | "nonfinite";
}

/** Models in training: a second trainer would overwrite the parameters of the first. */
const training = new WeakSet<Model>();

/**
 * Trains a model with AdamW, on the whole training set or on mini-batches (`batchSize`). Runs in chunks of about 30 ms (off the JavaScript thread natively) and yields progress; breaking out of the
 * loop ends it, with the model at a whole step. A checkpoint is written after the event of its step was consumed.
 *
 * @param model - Trained in place.
 * @throws E_RANGE for wrong options (a `batchSize` above the number of examples too), E_SHAPE for data that does not fit the model, E_NONFINITE when training diverges (the model keeps the last good parameters), E_CHECKPOINT when `resume` does
 *   not fit, E_LOCKED when another run writes the same checkpoint, E_BUSY when the model is in training already, E_IO, and `signal.reason` on abort.
 * @example
 * ```ts
 * const data = modularAddition({ p: 113 });
 * for await (const e of train(model, data, { steps: 10_000, until: { testAccuracy: 0.999, hold: 500 }, signal })) console.log(e.step, e.loss, e.testAccuracy);
 * ```
 */
export async function* train(model: Model, data: TrainingData | ModularAddition, options: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  options.signal?.throwIfAborted();
  if (training.has(model))
    throw new TritlensError("E_BUSY", "the model is in training already", { expected: "one training run a model", found: "a second one" });
  training.add(model);
  let lock: FolderLock | undefined;
  let session: Session | undefined;
  try {
    if (options.checkpoint) lock = await lockFile(options.checkpoint.path);
    session = new Session(model, data, options);
    yield* session.run();
  } finally {
    session?.close();
    await lock?.release();
    training.delete(model);
  }
}

/** One training run. */
class Session {
  readonly #model: Model;
  readonly #core: Core;
  readonly #data: TrainingData;
  readonly #options: TrainOptions;
  readonly #optimizer: OptimizerConfig;
  readonly #trainer: TrainerHandle;
  readonly #columns: readonly string[];
  readonly #pace: Pace;
  readonly #evalEvery: number;
  #pending: number[] = [];
  #firstStep: number;
  #step: number;
  #savedStep = -1;
  #heldSince: number | undefined;
  readonly #cancel = (): void => this.#core.cancelTrainer(this.#trainer);

  constructor(model: Model, data: TrainingData, options: TrainOptions) {
    this.#model = model;
    this.#core = model.core;
    this.#data = data;
    this.#options = options;
    if (options.checkpoint && !model.config) throw needsConfig("a checkpoint");
    requireCount("steps", options.steps, 1);
    this.#evalEvery = requireCount("evalEvery", options.evalEvery ?? 100);
    if (options.log !== undefined) requireCount("log", options.log, 1);
    if (options.checkpoint?.every !== undefined) requireCount("checkpoint.every", options.checkpoint.every, 1);
    this.#pace = new Pace(options.chunkMs ?? 30);
    const resume = options.resume;
    const state = resume ? requireResumable(model, data, resume) : undefined;
    this.#optimizer = optimizerConfig(options, state?.optimizer, options.steps);
    this.#step = resume?.step ?? 0;
    this.#firstStep = state?.pending.firstStep ?? this.#step;
    this.#pending = Array.from(state?.pending.rows ?? []);
    this.#heldSince = state?.pending.heldSince;
    this.#trainer = this.#open(state);
    this.#columns = this.#core.describeTrainer(this.#trainer).columns;
    options.signal?.addEventListener("abort", this.#cancel);
  }

  #open(state: TrainingState | undefined): TrainerHandle {
    const trainer = this.#core.openTrainer(this.#model.program, JSON.stringify(this.#optimizer));
    try {
      setData(this.#core, trainer, 0, this.#data.train);
      if (this.#data.test.targets.length > 0) setData(this.#core, trainer, 1, this.#data.test);
      if (state) {
        this.#core.writeTrainerState(trainer, 1, state.m);
        this.#core.writeTrainerState(trainer, 2, state.v);
        this.#core.setTrainerStep(trainer, this.#step);
      }
      return trainer;
    } catch (error) {
      this.#core.closeTrainer(trainer);
      throw error;
    }
  }

  close(): void {
    this.#options.signal?.removeEventListener("abort", this.#cancel);
    this.#core.closeTrainer(this.#trainer);
  }

  /** The loop: chunk, event, checkpoint. */
  async *run(): AsyncGenerator<TrainEvent, void, undefined> {
    const { steps, signal } = this.#options;
    if (this.#isDue(this.#evalEvery)) {
      const event = await this.#event();
      const over = this.#isOver(event);
      yield over ? { ...event, done: "until" } : event;
      if (over) return;
    }
    while (this.#step < steps) {
      const good = await this.#advance();
      if (signal?.aborted) await this.#abort(signal);
      if (!good) return yield await this.#event("nonfinite");
      if (!this.#isEventDue()) continue;
      const event = await this.#event(this.#step >= steps ? "steps" : undefined);
      const over = this.#isOver(event);
      yield over && !event.done ? { ...event, done: "until" } : event;
      if (over || this.#isDue(this.#options.checkpoint?.every ?? 0)) await this.#save();
      if (over) return;
      if (signal?.aborted) await this.#abort(signal);
    }
    await this.#save();
  }

  #isDue(every: number): boolean {
    return every > 0 && this.#step % every === 0;
  }

  #isEventDue(): boolean {
    const { log, steps, checkpoint } = this.#options;
    const logged = log === undefined || this.#isDue(log);
    return logged || this.#step >= steps || this.#isDue(this.#evalEvery) || this.#isDue(checkpoint?.every ?? 0);
  }

  /** Steps up to the next place where something is due. */
  #room(): number {
    const { steps, log, checkpoint } = this.#options;
    const periods = [this.#evalEvery, log ?? 0, checkpoint?.every ?? 0].filter((n) => n > 0);
    return Math.min(steps - this.#step, ...periods.map((n) => n - (this.#step % n)));
  }

  /** One chunk; false when the loss or a gradient was not finite and the run is to stop. */
  async #advance(): Promise<boolean> {
    await giveWay();
    if (this.#options.signal?.aborted) return true;
    const n = this.#pace.next(this.#room());
    const out = new Float64Array(n * this.#columns.length);
    const began = performance.now();
    try {
      const taken = await this.#core.trainSteps(this.#trainer, n, out);
      if (taken > 0) this.#pace.record(taken, (performance.now() - began) / 1000);
      for (const x of out.subarray(0, taken * this.#columns.length)) this.#pending.push(x);
      this.#step += taken;
      return true;
    } catch (error) {
      return this.#diverged(error);
    }
  }

  #diverged(error: unknown): boolean {
    if (!(error instanceof TritlensError) || error.code !== "E_NONFINITE") throw error;
    this.#step = this.#core.trainerStep(this.#trainer);
    if (this.#options.onNonFinite === "stop") return false;
    const saved = this.#savedStep >= 0 ? `; the last checkpoint is of step ${this.#savedStep}` : "";
    const { expected, found } = error;
    throw new TritlensError("E_NONFINITE", `training diverged at step ${this.#step}${saved}`, {
      ...(expected ? { expected } : {}),
      ...(found ? { found } : {}),
      cause: error,
    });
  }

  async #abort(signal: AbortSignal): Promise<never> {
    await this.#save();
    throw signal.reason;
  }

  async #event(done?: TrainEvent["done"]): Promise<TrainEvent> {
    const rows = Float64Array.from(this.#pending);
    const last = rows.subarray(Math.max(0, rows.length - this.#columns.length));
    const flips = this.#columns.flatMap((name, i) => (name.startsWith("flips.") ? [[name.slice(6), last[i] ?? 0] as const] : []));
    const evaluation = this.#isDue(this.#evalEvery) || done !== undefined ? await this.#evaluate() : undefined;
    const pace = this.#pace.secondsPerStep;
    const event: TrainEvent = {
      step: this.#step,
      loss: last[0] ?? Number.NaN,
      lr: last[1] ?? Number.NaN,
      ...(evaluation ? { evaluation, testLoss: evaluation.testLoss, testAccuracy: evaluation.testAccuracy } : {}),
      flips: Object.fromEntries(flips),
      rows,
      columns: this.#columns,
      firstStep: this.#firstStep,
      ...(pace === undefined ? {} : { secondsPerStep: pace, etaSeconds: pace * (this.#options.steps - this.#step) }),
      ...(done ? { done } : {}),
    };
    this.#pending = [];
    this.#firstStep = this.#step;
    return event;
  }

  async #evaluate(): Promise<Evaluation> {
    const [trainLoss, trainAccuracy] = await this.#core.evaluate(this.#trainer, 0);
    const nothing: [number, number] = [Number.NaN, Number.NaN];
    const [testLoss, testAccuracy] = this.#data.test.targets.length > 0 ? await this.#core.evaluate(this.#trainer, 1) : nothing;
    return { trainLoss, trainAccuracy, testLoss, testAccuracy };
  }

  /** Whether `until` or the number of steps says that this event is the last. */
  #isOver(event: TrainEvent): boolean {
    const { until } = this.#options;
    if (event.done === "steps") return true;
    if (typeof until === "function") return until(event);
    if (until === undefined || event.testAccuracy === undefined) return false;
    if (event.testAccuracy < until.testAccuracy) this.#heldSince = undefined;
    else this.#heldSince ??= event.step;
    return this.#heldSince !== undefined && event.step - this.#heldSince >= (until.hold ?? 0);
  }

  async #save(): Promise<void> {
    const { checkpoint } = this.#options;
    if (!checkpoint || this.#savedStep === this.#step) return;
    await saveCheckpoint(checkpoint.path, this.#checkpoint(checkpoint.extra?.() ?? {}));
    this.#savedStep = this.#step;
  }

  #checkpoint(extra: CheckpointExtra): Omit<Checkpoint, "format"> {
    const { config } = this.#model;
    if (!config) throw needsConfig("a checkpoint");
    const length = this.#core.describe(this.#model.program).paramLength;
    const read = (kind: 1 | 2): Float32Array => {
      const out = new Float32Array(length);
      this.#core.readTrainerState(this.#trainer, kind, out);
      return out;
    };
    const held = this.#heldSince === undefined ? {} : { heldSince: this.#heldSince };
    const pending: PendingSteps = { firstStep: this.#firstStep, ...held, rows: Float64Array.from(this.#pending) };
    const indices = "trainIndices" in this.#data ? { trainIndices: this.#data.trainIndices as Int32Array } : {};
    return {
      config,
      step: this.#step,
      params: this.#model.stateDict(),
      training: { m: read(1), v: read(2), optimizer: this.#optimizer, pending },
      ...(this.#data.description ? { data: this.#data.description } : {}),
      ...indices,
      extra: extra.strings ?? new Map(),
      extraTensors: extra.tensors ?? new Map(),
    };
  }
}

function needsConfig(what: string): TritlensError {
  return new TritlensError("E_SPEC", `${what} needs a model that was made from a config`, { expected: "Model.fromConfig", found: "Model.fromSpec" });
}

function setData(core: Core, trainer: TrainerHandle, which: number, { tokens, targets }: Examples): void {
  const [rows, pos] = tokens.shape;
  if (tokens.data.length !== rows * pos || (targets.length !== rows && targets.length !== rows * pos))
    throw new TritlensError("E_SHAPE", "tokens and targets do not fit", {
      expected: `[${rows}, ${pos}] tokens and a target a row or a position`,
      found: `${tokens.data.length} tokens, ${targets.length} targets`,
    });
  core.setData(trainer, which, tokens.data, targets);
}

/** Checks that a checkpoint continues this model on this data, loads its parameters, and returns the optimiser's state. */
function requireResumable(model: Model, data: TrainingData, resume: Checkpoint): TrainingState {
  if (!resume.training)
    throw new TritlensError("E_CHECKPOINT", "the checkpoint cannot be continued: it has no optimiser state", {
      expected: "moments and settings",
      found: `a ${resume.format} file without`,
    });
  if (!model.config) throw needsConfig("resuming");
  requireSame("config", model.config, resume.config);
  if (data.description && resume.data) requireSame("data", data.description, resume.data);
  const length = model.core.describe(model.program).paramLength;
  for (const key of ["m", "v"] as const) {
    const found = resume.training[key].length;
    if (found !== length)
      throw new TritlensError("E_CHECKPOINT", `the checkpoint does not fit: optimizer.${key}`, {
        expected: `${length} numbers`,
        found: String(found),
      });
  }
  loadParams(model, resume);
  return resume.training;
}
