/** Reverse-engineering of models that add modulo p. */

export { analyzeActivations } from "./analyze.ts";
export { type AnalyzedModel, type AnalyzeModelOptions, analyzeModAdd, analyzeModAddWithPictures, modAddProgress } from "./analyze-model.ts";
export { codeFlips } from "./codes.ts";
export { type CollectOptions, collectLogits, collectModAdd } from "./collect.ts";
export { loadModAddWeights, type NamedArray } from "./parameters.ts";
export { detectPhases } from "./phases.ts";
export { drawActivations } from "./pictures.ts";
export type { LogitActivations } from "./prepare.ts";
export { modAddProbe } from "./probe.ts";
export { progressMeasures } from "./progress.ts";
export type * from "./types.ts";
