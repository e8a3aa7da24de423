/** Reverse-engineering of models that add modulo p. */
export type * from "./types.ts";
export { analyzeActivations } from "./analyze.ts";
export { codeFlips } from "./codes.ts";
export { detectPhases } from "./phases.ts";
export { progressMeasures } from "./progress.ts";
