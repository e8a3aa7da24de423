/** Analyses of weights: circuits of heads, their spectra and how they fit each other, and what they mean in tokens. */
export { type CircuitMatrixOptions, ovCircuit, qkCircuit } from "./circuits.ts";
export { allCompositionScores, type ComposedHeads, type CompositionKind, CompositionScores, compositionScores } from "./composition.ts";
export { type DetectHeadOptions, detectHead, HeadScores, type ScoredHead } from "./detect-head.ts";
export {
  DirectionTokens,
  type DirectionTokensOptions,
  directionLogits,
  directionTokens,
  type RankedTokens,
  type VocabularyPart,
} from "./direction-tokens.ts";
export { type ComplexNumbers, realEigenvalues } from "./eigenvalues.ts";
export { type FactoredEigenvalues, FactoredMatrix, type FactoredMatrixOptions, type FactoredSvd } from "./factored-matrix.ts";
export { HEAD_NAMES, type HeadName, headPattern } from "./head-patterns.ts";
export { leadingSvd } from "./leading-svd.ts";
export { dotProduct, flippedMatrix, type MatrixData, matrixProduct } from "./matrix.ts";
export { type NeuronLogitsOptions, NeuronScores, neuronLogits, neuronsForToken, type ScoredNeuron } from "./neuron-logits.ts";
export { type Qr, thinQr } from "./qr.ts";
export { type HeadSide, headSubspaceOverlap, principalCosines, SubspaceOverlaps } from "./subspaces.ts";
export { type Svd, signedSvd, thinSvd } from "./svd.ts";
export { type SingularKind, SingularVectors, type SingularVectorsOptions, SVDInterpreter } from "./svd-interpreter.ts";
export { symmetricEigenvalues } from "./symmetric-eigenvalues.ts";
export { allHeadLabels, configOf, requireIndex, requireMlp, tokenLabel, weightIfAny } from "./transformer.ts";
