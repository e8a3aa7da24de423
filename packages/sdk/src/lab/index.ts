/**
 * The experiment of arXiv 2405.17703 (Node only): train, take apart, judge, report.
 *
 * @module
 */
export { type OpenedCheckpoint, type OpenOptions, openCheckpoint } from "./checkpoint.ts";
export type { Engine, EngineRun, Evaluation } from "./engine.ts";
export type { ExperimentEvent } from "./events.ts";
export { reproduce } from "./experiment.ts";
export { DEFAULT_MODES, LAB_MODES, type LabMode, type LabModeInfo, labMode } from "./modes.ts";
export { judged } from "./numbers.ts";
export { type Plan, type PlannedRun, planOf, type ReproduceOptions } from "./options.ts";
export {
  embedJson,
  type FinalPictures,
  finalPictures,
  type PictureSource,
  pageHtml,
  type ReportModel,
  reportModel,
  writeReport,
} from "./report/index.ts";
export {
  type Curves,
  type EnvironmentInfo,
  noCurves,
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
