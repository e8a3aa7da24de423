/** What an experiment tells while it goes on. */
import type { Results, RunResult } from "./results.ts";

/** Everything is checked and the folder is locked. */
export interface StartEvent {
  /** Which event this is. */
  type: "start";
  /** Results as they stand; finished runs of an earlier session are in them. */
  results: Results;
}

/** A run begins, or goes on. */
export interface RunEvent {
  /** Which event this is. */
  type: "run";
  /** The run. */
  run: RunResult;
  /** Its place among the runs, from 0. */
  index: number;
  /** Number of runs. */
  total: number;
  /** Epoch from which it goes on; 0 for a new one. */
  resumed: number;
}

/** One evaluation. */
export interface ProgressEvent {
  /** Which event this is. */
  type: "progress";
  /** The run; the evaluation is the last of its curves. */
  run: RunResult;
  /** Epochs for which the accuracy has held. */
  held: number;
  /** Seconds to the limit of epochs at the present pace; null before there is one. */
  secondsLeft: number | null;
}

/** Analysis of a trained run goes on. */
export interface StageEvent {
  /** Which event this is. */
  type: "stage";
  /** The run. */
  run: RunResult;
  /** `analysis` of the last checkpoint, or `progress` measures of the snapshots. */
  stage: "analysis" | "progress";
  /** Parts done. */
  done: number;
  /** Parts in all. */
  total: number;
}

/** A run ended; see its status. */
export interface RunEndEvent {
  /** Which event this is. */
  type: "run-end";
  /** The run. */
  run: RunResult;
}

/** results.json and the report were written. */
export interface ReportEvent {
  /** Which event this is. */
  type: "report";
  /** Path of the report. */
  path: string;
}

/** The last event. */
export interface EndEvent {
  /** Which event this is. */
  type: "end";
  /** The results. */
  results: Results;
}

/** Events of {@link reproduce}. Results and runs in them are live objects: read them, do not keep them. */
export type ExperimentEvent = StartEvent | RunEvent | ProgressEvent | StageEvent | RunEndEvent | ReportEvent | EndEvent;
