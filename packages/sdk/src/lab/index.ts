/**
 * The experiment of arXiv 2405.17703 (Node only): train, take apart, judge, report.
 *
 * @module
 */
export { type OpenedCheckpoint, type OpenOptions, openCheckpoint } from "./checkpoint.ts";
export type { EndEvent, ExperimentEvent, ProgressEvent, ReportEvent, RunEndEvent, RunEvent, StageEvent, StartEvent } from "./events.ts";
export { reproduce } from "./experiment.ts";
export { DEFAULT_MODES, LAB_MODES, type LabMode, type LabModeInfo, labMode } from "./modes.ts";
export { judged } from "./numbers.ts";
export type { ReproduceOptions } from "./options.ts";
export { duration } from "./report/index.ts";
export {
  type Curves,
  type EnvironmentInfo,
  type ProgressPoint,
  RESULTS_SCHEMA,
  type Results,
  type RunError,
  type RunResult,
  type RunStatus,
  type TaskInfo,
  type TrainingInfo,
} from "./results.ts";
export { singleResult, writeSingleReport } from "./single.ts";
export * from "./verdict/index.ts";
export { VERSION } from "./version.ts";
