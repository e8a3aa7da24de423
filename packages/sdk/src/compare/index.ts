/** Comparing two models activation by activation. */
export { type CompareOptions, compareModels } from "./compare.ts";
export type { Difference, LogitDifference } from "./differences.ts";
export { Comparison, type ComparisonJson, type SiteComparison } from "./result.ts";
