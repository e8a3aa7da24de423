/** Reverse-engineering of models that add modulo p. */

export { analyzeActivations } from "./analyze.ts";
export { codeFlips } from "./codes.ts";
export { detectPhases } from "./phases.ts";
export { progressMeasures } from "./progress.ts";
export type * from "./types.ts";
