/** Analyses of packed weights: what codes say without any float, and what quantisation changes. */

export { type ExchangeEffect, QuantizationAttribution, type QuantizationAttributionOptions, quantizationAttribution } from "./attribution.ts";
export { type CodeRows, type CodeRowsOptions, type CodeUnit, codedMatrices, codeRows, flippedCodes, requireCoded } from "./coded.ts";
export {
  AlgorithmComparison,
  type CompareAlgorithmsOptions,
  compareAlgorithms,
  type LayerComparison,
  type Similarity,
} from "./compare-algorithms.ts";
export { type CircuitEntry, IntegerCircuit, type IntegerCircuitKind, integerCircuit } from "./integer-circuit.ts";
export { type Matching, matchUnits, unitCorrelations } from "./matching.ts";
export { MatrixAttribution, type MatrixAttributionOptions, type MatrixEffect, matrixAttribution } from "./matrix-attribution.ts";
export {
  linearCka,
  type Procrustes,
  procrustes,
  procrustesSimilarity,
  type RepresentationOptions,
  shuffledRows,
} from "./representations.ts";
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
export { type TritMeasure, TritOverlap, type TritOverlapOptions, type TritPair, tritOverlap } from "./trit-overlap.ts";
export { type TritCounts, TritPlanes } from "./trit-planes.ts";
