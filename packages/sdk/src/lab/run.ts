/** One run from its first epoch to its analysis. Every stage leaves its result on disk, so that a run goes on where it ended. */
import { access } from "node:fs/promises";
import { TritlensError } from "../core/index.ts";
import { detectPhases, type ModAddAnalysis } from "../interp/index.ts";
import type { Engine, EngineRun } from "./engine.ts";
import type { ExperimentEvent } from "./events.ts";
import { type RunFolder, readJson, writeJson } from "./folder.ts";
import type { Plan, PlannedRun } from "./options.ts";
import { Recorder } from "./recorder.ts";
import { type Curves, noCurves, type ProgressPoint, type RunError, type RunResult } from "./results.ts";
import { grokEpoch, heldFor, snapshotDue, snapshotPlan, thin } from "./schedule.ts";

/** Snapshots that progress measures are computed from, at most: enough for a smooth curve. */
const MOST_SNAPSHOTS = 30;

/** A run that has not begun. */
export function plannedResult({ mode, seed, maxEpochs }: PlannedRun, folder: RunFolder): RunResult {
  return {
    mode: mode.id,
    seed,
    status: "waiting",
    error: null,
    epochs: 0,
    max_epochs: maxEpochs,
    train_seconds: 0,
    analysis_seconds: 0,
    grok_epoch: null,
    curves: noCurves(),
    phases: null,
    progress: [],
    analysis: null,
    checkpoint: `${folder.name}/checkpoint.safetensors`,
    pictures: null,
  };
}

/** What an earlier session left of a run; null when there is nothing final. Curves, analysis and progress lie in files of their own. */
export async function finishedResult(run: PlannedRun, folder: RunFolder, p: number): Promise<RunResult | null> {
  const state = await readJson<RunState>(folder.file("run.json"));
  if (state === null || (state.status !== "done" && state.status !== "diverged")) return null;
  if (state.status === "done" && state.epochs < run.maxEpochs && !state.held) return null;
  const curves = (await Recorder.open(folder.file("curves.jsonl"))).curves();
  const analysis = await readJson<ModAddAnalysis>(folder.file("analysis.json"));
  if (state.status === "done" && analysis === null) return null;
  const progress = (await readJson<ProgressPoint[]>(folder.file("progress.json"))) ?? [];
  const { held: _, ...rest } = state;
  const max_epochs = Math.max(run.maxEpochs, state.epochs);
  return { ...plannedResult(run, folder), ...rest, max_epochs, curves, analysis, progress, phases: phasesOf(curves, p) };
}

/** run.json: what is small and final. */
type RunState = Pick<RunResult, "status" | "error" | "epochs" | "train_seconds" | "analysis_seconds" | "grok_epoch" | "phases" | "pictures"> & {
  /** Whether the run ended because its accuracy held, so that a larger limit does not continue it. */
  held: boolean;
};

/** Everything one run works with. */
export interface RunContext {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly run: PlannedRun;
  readonly folder: RunFolder;
  readonly result: RunResult;
  readonly signal: AbortSignal | undefined;
  /** Place among the runs of the plan. */
  readonly index: number;
  readonly total: number;
}

/** Trains and analyses, filling in `context.result` on the way. @throws what training or analysis threw. */
export async function* executeRun(context: RunContext): AsyncGenerator<ExperimentEvent> {
  const { engine, run, plan, folder, result } = context;
  await folder.make();
  const model = await engine.open(run, plan, folder);
  try {
    result.status = "running";
    const held = yield* trainRun(context, model);
    yield* analyseRun(context, model);
    result.status = "done";
    await saveState(folder, result, held);
    if (!plan.keepSnapshots) await folder.dropSnapshots();
  } finally {
    model.close();
  }
}

async function* trainRun(
  { plan, run, folder, result, signal, index, total }: RunContext,
  model: EngineRun,
): AsyncGenerator<ExperimentEvent, boolean> {
  const recorder = await Recorder.open(folder.file("curves.jsonl"));
  const final = folder.file("final.safetensors");
  refresh(result, recorder, plan);
  yield { type: "run", run: result, index, total, resumed: result.epochs };
  if (isOver(result, plan, run) && (await exists(final))) {
    await model.restore(final);
    return heldFor(result.curves.epoch, result.curves.test_accuracy, plan.training.hold_accuracy) >= plan.training.hold_epochs;
  }
  const snapshots = snapshotPlan(run.maxEpochs, plan.training.eval_every);
  let since = performance.now();
  for await (const evaluation of model.train(signal)) {
    await recorder.add(evaluation, (performance.now() - since) / 1000);
    if (snapshotDue(snapshots, evaluation.epoch)) await model.snapshot(folder.snapshot(evaluation.epoch));
    refresh(result, recorder, plan);
    yield { type: "progress", run: result, held: held(result.curves, plan), secondsLeft: secondsLeft(result) };
    since = performance.now();
    if (isOver(result, plan, run)) break;
  }
  await model.snapshot(final);
  return held(result.curves, plan) >= plan.training.hold_epochs;
}

const held = (curves: Curves, { training }: Plan): number => heldFor(curves.epoch, curves.test_accuracy, training.hold_accuracy);

/** At the limit, or held long enough. Read from the recorded curves alone, so that a resumed run ends where an unbroken one does. */
function isOver(result: RunResult, plan: Plan, run: PlannedRun): boolean {
  return result.epochs >= run.maxEpochs || held(result.curves, plan) >= plan.training.hold_epochs;
}

/** The curves change all the time; the result always shows the present ones. */
function refresh(result: RunResult, recorder: Recorder, plan: Plan): void {
  result.curves = recorder.curves();
  result.epochs = Math.max(0, recorder.epoch);
  result.train_seconds = recorder.seconds;
  result.grok_epoch = grokEpoch(result.curves.epoch, result.curves.test_accuracy, plan.training.grok_accuracy);
  result.phases = phasesOf(result.curves, plan.task.p);
}

/** Phases so far; null before the first evaluation. */
function phasesOf(curves: Curves, p: number): RunResult["phases"] {
  if (curves.epoch.length === 0) return null;
  return detectPhases({ ...curves, excluded_loss: [], restricted_loss: [], sum_squared_total: [] }, p);
}

/** Seconds up to the limit at the pace of the last evaluations. */
function secondsLeft({ curves, max_epochs }: RunResult): number | null {
  const from = Math.max(0, curves.epoch.length - 20);
  const epochs = (curves.epoch.at(-1) ?? 0) - (curves.epoch[from] ?? 0);
  const seconds = (curves.seconds.at(-1) ?? 0) - (curves.seconds[from] ?? 0);
  return epochs <= 0 ? null : ((max_epochs - (curves.epoch.at(-1) ?? 0)) * seconds) / epochs;
}

async function* analyseRun({ folder, result, signal }: RunContext, model: EngineRun): AsyncGenerator<ExperimentEvent> {
  const began = performance.now();
  const before = result.analysis_seconds;
  const tick = (): void => {
    result.analysis_seconds = before + (performance.now() - began) / 1000;
  };
  yield { type: "stage", run: result, stage: "analysis", done: 0, total: 1 };
  const { analysis, pictures } = await model.analyse();
  await writeJson(folder.file("pictures.json"), pictures);
  await writeJson(folder.file("analysis.json"), analysis, 1);
  Object.assign(result, { analysis, pictures: `${folder.name}/pictures.json` });
  tick();
  yield { type: "stage", run: result, stage: "analysis", done: 1, total: 1 };
  yield* measureProgress(folder, result, model, analysis.key_frequencies, signal);
  tick();
}

/** Key frequencies come from the last checkpoint and hold for all earlier ones (Nanda 2023). */
async function* measureProgress(
  folder: RunFolder,
  result: RunResult,
  model: EngineRun,
  keys: readonly number[],
  signal: AbortSignal | undefined,
): AsyncGenerator<ExperimentEvent> {
  const snapshots = (await folder.snapshotEpochs()).filter((e) => e < result.epochs);
  const epochs = thin([...snapshots, result.epochs], MOST_SNAPSHOTS);
  const points: ProgressPoint[] = [];
  for (const epoch of epochs) {
    if (signal?.aborted) throw new TritlensError("E_ABORTED", "stopped while measuring progress");
    await model.restore(epoch === result.epochs ? folder.file("final.safetensors") : folder.snapshot(epoch));
    points.push({ epoch, ...(await model.progress(keys)) });
    yield { type: "stage", run: result, stage: "progress", done: points.length, total: epochs.length };
  }
  result.progress = points;
  await writeJson(folder.file("progress.json"), points);
}

/** Marks a run that ended with an error and keeps what there is of it. */
export async function recordFailure(folder: RunFolder, result: RunResult, error: unknown): Promise<void> {
  result.error = errorData(error);
  result.status = result.error.code === "E_ABORTED" ? "stopped" : result.error.code === "E_NONFINITE" ? "diverged" : "failed";
  await saveState(folder, result, false);
}

/** An error as data. */
export function errorData(error: unknown): RunError {
  if (error instanceof TritlensError)
    return { code: error.code, message: error.message.replace(/^E_\w+: /, ""), expected: error.expected ?? null, found: error.found ?? null };
  const aborted = error instanceof Error && error.name === "AbortError";
  return { code: aborted ? "E_ABORTED" : "E_PANIC", message: error instanceof Error ? error.message : String(error), expected: null, found: null };
}

async function saveState(folder: RunFolder, r: RunResult, held: boolean): Promise<void> {
  const state: RunState = {
    status: r.status,
    error: r.error,
    epochs: r.epochs,
    train_seconds: r.train_seconds,
    analysis_seconds: r.analysis_seconds,
    grok_epoch: r.grok_epoch,
    phases: r.phases,
    pictures: r.pictures,
    held,
  };
  await writeJson(folder.file("run.json"), state, 1);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
