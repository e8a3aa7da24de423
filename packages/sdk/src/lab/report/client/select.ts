/** Which runs a figure shows. */
import type { FinalPictures, ReportMode, ReportModel, ReportRun } from "../model.ts";

/** The run that stands for a mode: its first seed with pictures, or else with curves. */
export function lead(model: ReportModel, mode: string): ReportRun | null {
  const runs = model.runs.filter((r) => r.mode === mode && (r.curves.epoch.length > 0 || r.final !== null));
  return runs.find((r) => r.final !== null) ?? runs[0] ?? null;
}

/** One leading run a mode, in the order of the modes. */
export function leads(model: ReportModel): ReportRun[] {
  return model.modes.map((m) => lead(model, m.id)).filter((r): r is ReportRun => r !== null);
}

/** Leading runs that have curves (a report of one checkpoint has none). */
export function trained(model: ReportModel): ReportRun[] {
  return leads(model).filter((r) => r.curves.epoch.length > 0);
}

/** Leading runs that have pictures of their last checkpoint. */
export function finals(model: ReportModel): { run: ReportRun; mode: ReportMode; final: FinalPictures }[] {
  return leads(model).flatMap((run) => (run.final === null ? [] : [{ run, mode: modeOf(model, run.mode), final: run.final }]));
}

/** A mode's names. */
export function modeOf(model: ReportModel, id: string): ReportMode {
  return model.modes.find((m) => m.id === id) ?? { id, title: id, short: id, detail: "" };
}
