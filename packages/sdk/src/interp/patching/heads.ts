/** Activations of single heads, patched at all positions together. */
import type { ActivationCache, Model, Tokens } from "tritlens";
import { type ActivationPatch, genericActivationPatch, type MetricLike, type PatchOptions } from "tritlens/interp";

/** Patches the output of each head (`z`) at all positions: [layer, head]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadOutAllPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "z", axes: ["layer", "head"] });
}

/** Patches the queries of each head at all positions: [layer, head]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadQAllPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "q", axes: ["layer", "head"] });
}

/** Patches the keys of each head at all positions: [layer, head]; grouped keys count as one head. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadKAllPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "k", axes: ["layer", "head"] });
}

/** Patches the values of each head at all positions: [layer, head]; grouped values count as one head. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadVAllPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "v", axes: ["layer", "head"] });
}

/** Patches the attention pattern of each head: [layer, head]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadPatternAllPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "pattern", axes: ["layer", "head"] });
}
