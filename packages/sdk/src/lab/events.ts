/** What an experiment tells while it goes on. */
import type { Results, RunResult } from "./results.ts";

/** Events of {@link reproduce}, in the order in which they happen. `results` and `run` are live objects: read them, do not keep them. */
export type ExperimentEvent =
  /** Everything is checked and the folder is locked. */
  | { type: "start"; results: Results }
  /** A run begins, or goes on from an epoch above 0. */
  | { type: "run"; run: RunResult; index: number; total: number; resumed: number }
  /** One evaluation. `held`: epochs for which the accuracy has held. */
  | { type: "progress"; run: RunResult; held: number; secondsLeft: number | null }
  /** Analysis of a trained run goes on. */
  | { type: "stage"; run: RunResult; stage: "analysis" | "progress"; done: number; total: number }
  /** A run ended; see its status. */
  | { type: "run-end"; run: RunResult }
  /** results.json and the report were written. */
  | { type: "report"; path: string }
  /** The last event. */
  | { type: "end"; results: Results };
