/** The report of one checkpoint: the same page, without curves of training. */
import type { Core } from "../core/index.ts";
import type { AnalyzedModel, ModAddAnalysis } from "../interp/index.ts";
import type { OpenedCheckpoint } from "./checkpoint.ts";
import { environmentOf } from "./engine-sdk.ts";
import { judged } from "./numbers.ts";
import { planOf } from "./options.ts";
import { finalPictures, writeReport } from "./report/index.ts";
import { noCurves, RESULTS_SCHEMA, type Results, type RunResult } from "./results.ts";
import { verdictOf } from "./verdict/index.ts";

/** A run of which nothing but the end is known. */
export function singleResult({ checkpoint, mode }: OpenedCheckpoint, analysis: ModAddAnalysis): RunResult {
  return {
    mode,
    seed: 0,
    status: "done",
    error: null,
    epochs: checkpoint.step,
    max_epochs: checkpoint.step,
    train_seconds: 0,
    analysis_seconds: 0,
    grok_epoch: null,
    curves: noCurves(),
    phases: null,
    progress: [],
    analysis,
    checkpoint: "",
    pictures: null,
  };
}

/** Writes the report of one checkpoint. @throws E_IO. */
export async function writeSingleReport(
  path: string,
  opened: OpenedCheckpoint,
  { analysis, pictures }: AnalyzedModel,
  core: Core,
  command: string,
): Promise<void> {
  const run = singleResult(opened, analysis);
  const now = new Date().toISOString();
  const pairs = opened.trainIndices.length;
  const results: Results = {
    schema: RESULTS_SCHEMA,
    state: "complete",
    started: now,
    updated: now,
    command,
    task: {
      p: opened.p,
      fraction: pairs / opened.p ** 2,
      train_pairs: pairs,
      test_pairs: opened.p ** 2 - pairs,
      split: "as the checkpoint says",
      data_seed: 0,
    },
    training: planOf({}).training,
    environment: environmentOf(core),
    runs: [run],
    verdict: verdictOf([judged(run, opened.p)]),
  };
  const drawn = finalPictures(analysis, pictures);
  await writeReport(path, results, () => drawn);
}
