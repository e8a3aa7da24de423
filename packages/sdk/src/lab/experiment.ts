/** The experiment: every run of a plan, one after the other, with results and report kept up to date on disk. */
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { TritlensError } from "../core/index.ts";
import type { ModAddPictures } from "../interp/index.ts";
import { type FolderLock, lockFolder } from "../io/index.ts";
import type { Engine } from "./engine.ts";
import type { ExperimentEvent } from "./events.ts";
import { OutputFolder, readJson, writeJson } from "./folder.ts";
import { judged } from "./numbers.ts";
import { type Plan, type PlannedRun, planOf, type ReproduceOptions } from "./options.ts";
import { type FinalPictures, finalPictures, writeReport } from "./report/index.ts";
import { RESULTS_SCHEMA, type Results, type RunResult } from "./results.ts";
import { executeRun, finishedResult, plannedResult, recordFailure } from "./run.ts";
import { verdictOf } from "./verdict/index.ts";

/** The report is written again no sooner than this while training goes on. */
const REPORT_EVERY_MS = 15_000;
/** The first report comes early: something to look at. */
const FIRST_REPORT_MS = 3_000;

/**
 * Runs the experiment of arXiv 2405.17703. Iterate to drive it; leaving the loop stops it. A run that fails is marked and the next one goes on. Calling
 * again with the same folder goes on where the last call ended, bit for bit.
 *
 * @returns Events; the generator's return value is the results.
 * @throws E_RANGE, E_MODE for options that cannot be; E_LOCKED when another process writes to the folder; E_CHECKPOINT when the folder holds another
 * experiment; E_IO when the disk fails; E_ABORTED after `signal` (results so far are written).
 * @example
 * ```ts
 * for await (const event of reproduce({ out: "my-run", quick: true })) {
 *   if (event.type === "end") console.log(event.results.verdict.headline);
 * }
 * ```
 */
export function reproduce(options: ReproduceOptions = {}): AsyncGenerator<ExperimentEvent, Results, undefined> {
  return runExperiment(options);
}

/** {@link reproduce} on any engine; the SDK's when left out. */
export async function* runExperiment(options: ReproduceOptions, engine?: Engine): AsyncGenerator<ExperimentEvent, Results, undefined> {
  const plan = planOf(options);
  const out = new OutputFolder(plan.out);
  await out.make();
  const lock = await lockPatiently(plan.out);
  try {
    if (plan.fresh) await out.clear();
    const experiment = new Experiment(plan, out, engine ?? (await sdkEngine(options)), options);
    await experiment.claim();
    return yield* experiment.execute();
  } finally {
    await lock.release();
  }
}

/** A process that was just killed holds its lock until the system has cleared it away, which takes a moment on a busy machine. */
async function lockPatiently(folder: string, attempts: number = 15): Promise<FolderLock> {
  try {
    return await lockFolder(folder);
  } catch (error) {
    if (!(error instanceof TritlensError) || error.code !== "E_LOCKED" || attempts === 0) throw error;
    await setTimeout(100);
    return lockPatiently(folder, attempts - 1);
  }
}

/** Loaded when needed: tests of the bookkeeping need no core. */
async function sdkEngine(options: ReproduceOptions): Promise<Engine> {
  const { createEngine } = await import("./engine-sdk.ts");
  return createEngine(options);
}

class Experiment {
  readonly #plan: Plan;
  readonly #out: OutputFolder;
  readonly #engine: Engine;
  readonly #signal: AbortSignal | undefined;
  readonly #results: Results;
  readonly #pictures: Map<RunResult, FinalPictures | null> = new Map();
  #reportDue: number = performance.now() + FIRST_REPORT_MS;

  constructor(plan: Plan, out: OutputFolder, engine: Engine, options: ReproduceOptions) {
    this.#plan = plan;
    this.#out = out;
    this.#engine = engine;
    this.#signal = options.signal;
    const now = new Date().toISOString();
    this.#results = {
      schema: RESULTS_SCHEMA,
      state: "running",
      started: now,
      updated: now,
      command: options.command ?? "reproduce()",
      task: engine.task(plan),
      training: plan.training,
      environment: engine.environment,
      runs: plan.runs.map((r) => plannedResult(r, out.run(r.mode.id, r.seed))),
      verdict: verdictOf([]),
    };
  }

  /** Makes sure that the folder is new or holds this very experiment. */
  async claim(): Promise<void> {
    const mine = { schema: "tritlens.experiment/1", task: this.#plan.task, training: this.#plan.training, started: this.#results.started };
    const there = await readJson<typeof mine>(this.#out.experiment);
    if (there === null) return writeJson(this.#out.experiment, mine, 1);
    this.#results.started = there.started ?? mine.started;
    for (const part of ["task", "training"] as const) requireSame(part, mine[part], there[part], this.#out.path);
  }

  async *execute(): AsyncGenerator<ExperimentEvent, Results> {
    await this.#restoreFinished();
    if (this.#plan.renderOnly) this.#results.runs = this.#results.runs.filter((r) => r.status === "done" || r.status === "diverged");
    yield { type: "start", results: this.#results };
    for (const [index, planned] of this.#plan.renderOnly ? [] : this.#plan.runs.entries()) {
      const result = this.#results.runs[index] as RunResult;
      if (result.status !== "done" && result.status !== "diverged") yield* this.#run(planned, result, index);
    }
    this.#results.state = "complete";
    yield await this.#write();
    yield { type: "end", results: this.#results };
    return this.#results;
  }

  async #restoreFinished(): Promise<void> {
    for (const [i, run] of this.#plan.runs.entries()) {
      const finished = await finishedResult(run, this.#out.run(run.mode.id, run.seed), this.#plan.task.p);
      if (finished !== null) this.#results.runs[i] = finished;
    }
  }

  async *#run(run: PlannedRun, result: RunResult, index: number): AsyncGenerator<ExperimentEvent> {
    const folder = this.#out.run(run.mode.id, run.seed);
    try {
      this.#stopIfAsked();
      for await (const event of executeRun({
        engine: this.#engine,
        plan: this.#plan,
        run,
        folder,
        result,
        signal: this.#signal,
        index,
        total: this.#plan.runs.length,
      })) {
        yield event;
        if (performance.now() >= this.#reportDue) yield await this.#write();
      }
    } catch (error) {
      await this.#fail(folder, result, error);
    }
    yield { type: "run-end", run: result };
    yield await this.#write();
  }

  /** A run's own trouble is recorded and the experiment goes on; trouble that will meet the next run as well ends it. */
  async #fail(folder: ReturnType<OutputFolder["run"]>, result: RunResult, error: unknown): Promise<void> {
    await recordFailure(folder, result, error).catch(() => undefined);
    const code = result.error?.code ?? "";
    if (!["E_ABORTED", "E_IO", "E_LOCKED", "E_PANIC", "E_DEAD", "E_BACKEND"].includes(code)) return;
    this.#results.state = "stopped";
    await this.#write().catch(() => undefined);
    throw code === "E_ABORTED" ? new TritlensError("E_ABORTED", "stopped; run the same command again to go on") : error;
  }

  #stopIfAsked(): void {
    if (this.#signal?.aborted) throw new TritlensError("E_ABORTED", "stopped before the run began");
  }

  async #write(): Promise<ExperimentEvent> {
    this.#results.updated = new Date().toISOString();
    this.#results.verdict = verdictOf(this.#results.runs.map((r) => judged(r, this.#plan.task.p)));
    await this.#loadPictures();
    await writeJson(this.#out.results, this.#results, 1);
    await writeReport(this.#out.report, this.#results, (run) => this.#pictures.get(run) ?? null);
    this.#reportDue = performance.now() + REPORT_EVERY_MS;
    return { type: "report", path: this.#out.report };
  }

  /** Pictures of the first analysed seed of each mode, read once. */
  async #loadPictures(): Promise<void> {
    for (const run of this.#results.runs) {
      const first = this.#results.runs.find((r) => r.mode === run.mode && r.analysis !== null);
      if (run !== first || run.analysis === null || this.#pictures.has(run)) continue;
      const pictures = await readJson<ModAddPictures>(this.#out.run(run.mode, run.seed).file("pictures.json"));
      this.#pictures.set(run, pictures === null ? null : finalPictures(run.analysis, pictures));
    }
  }
}

/** @throws E_CHECKPOINT naming the first field that differs. */
function requireSame(part: string, mine: object, there: object | undefined, path: string): void {
  for (const [key, value] of Object.entries(mine)) {
    const found = (there as Record<string, unknown> | undefined)?.[key];
    if (!isDeepStrictEqual(value, found)) {
      throw new TritlensError(
        "E_CHECKPOINT",
        `${path} holds another experiment: ${part}.${key} differs (choose another --out, or --fresh to begin again)`,
        { expected: String(value), found: String(found) },
      );
    }
  }
}
