/** The analyses of a tritlens model in one call. */
import type { Model } from "../../hooks/index.ts";
import { analyzeFindings, findings } from "./analyze.ts";
import { type CollectOptions, collectLogits, collectModAdd } from "./collect.ts";
import type { ModAddOptions } from "./input.ts";
import { pictures } from "./pictures.ts";
import type { ModAddPictures } from "./pictures-types.ts";
import { modAddProbe } from "./probe.ts";
import { progressMeasures } from "./progress.ts";
import type { ModAddAnalysis, ModAddProgress } from "./types.ts";

/** Options of {@link analyzeModAdd}. */
export interface AnalyzeModelOptions extends CollectOptions, Omit<ModAddOptions, "untrained"> {
  /** A fresh model of the same architecture: gives the baseline of gradient symmetricity and distance irrelevance. */
  readonly untrained?: Model;
}

/** Numbers and pictures of one checkpoint. */
export interface AnalyzedModel {
  /** The numbers. */
  readonly analysis: ModAddAnalysis;
  /** The arrays to draw. */
  readonly pictures: ModAddPictures;
}

/**
 * Reverse-engineers a model that adds modulo p.
 *
 * @example
 * ```ts
 * const data = modularAddition({ p: 113 });
 * const analysis = await analyzeModAdd(model, { trainIndices: data.trainIndices });
 * console.log(analysis.key_frequencies, analysis.logit_fve_key);
 * ```
 * @throws TritlensError E_SPEC for another architecture; E_RANGE, E_NAME for wrong options; E_NONFINITE when the model computes NaN.
 */
export async function analyzeModAdd(model: Model, options: AnalyzeModelOptions): Promise<ModAddAnalysis> {
  const complete = withBaseline(options);
  return analyzeFindings(findings(collectModAdd(model, options), complete), complete, modAddProbe(model, options.p));
}

/** {@link analyzeModAdd} together with what a report draws; the model's activations are collected once for both. */
export async function analyzeModAddWithPictures(model: Model, options: AnalyzeModelOptions): Promise<AnalyzedModel> {
  const complete = withBaseline(options);
  const found = findings(collectModAdd(model, options), complete);
  return { analysis: await analyzeFindings(found, complete, modAddProbe(model, options.p)), pictures: pictures(found) };
}

function withBaseline({ untrained, ...rest }: AnalyzeModelOptions): ModAddOptions {
  if (!untrained) return rest;
  return { ...rest, untrained: { activations: collectModAdd(untrained, rest), probe: modAddProbe(untrained, rest.p) } };
}

/** Progress measures of a model as it is now, for key frequencies found on the final one. */
export function modAddProgress(model: Model, options: CollectOptions & { readonly keyFrequencies: readonly number[] }): ModAddProgress {
  return progressMeasures(collectLogits(model, options), options.keyFrequencies);
}
