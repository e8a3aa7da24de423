/**
 * Reverse-engineering of models that add modulo p: the analyses of Nanda et al. 2023 (arXiv 2301.05217), Zhong et al. 2023 (2306.17844), Chughtai et al. 2023
 * (2302.03025), Gromov 2023 (2301.02679) and Li 2024 (2405.17703), on one checkpoint or along training.
 *
 * Where the code released with Li 2024 looks at the wrong thing, it is done right here:
 * - weight images there read the outer weight of a wrapped layer, which is never trained; here every matrix is the one the forward pass multiplies with
 *   (quantised where it is quantised), and "no pattern in the weights" is judged on that one;
 * - the Fourier basis there counts the last frequency twice, also in the denominators of FVE; here each of the floor((p-1)/2) frequencies counts once;
 * - sines and cosines are swapped in the labels there, and the threshold on the embedding's norms is absolute; here rows are labelled as they are and every
 *   threshold is relative and declared in the result;
 * - the full-precision model there differs in positions, mask, score scale, norm and biases; here the control is the same architecture with the quantiser off.
 *
 * A new analysis is one more file: a function from {@link ModAddActivations} to numbers.
 */

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
