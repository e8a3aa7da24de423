/** Analyses of packed weights: what codes say without any float, and what quantisation changes. */
export { type CodeRows, type CodeRowsOptions, type CodeUnit, codedMatrices, codeRows, flippedCodes, requireCoded } from "./coded.ts";
export { IntegerCircuit, type IntegerCircuitKind, integerCircuit } from "./integer-circuit.ts";
export { MatrixSparsity, type MatrixSparsityOptions, matrixSparsity, SparsityMap, sparsityMap } from "./sparsity.ts";
export {
  type MatrixThresholds,
  THRESHOLD_BINS,
  THRESHOLD_MARGINS,
  ThresholdDistances,
  type ThresholdOptions,
  thresholdDistances,
  thresholdMap,
} from "./thresholds.ts";
export { type TritMeasure, TritOverlap, type TritOverlapOptions, tritOverlap } from "./trit-overlap.ts";
export { type TritCounts, TritPlanes } from "./trit-planes.ts";
