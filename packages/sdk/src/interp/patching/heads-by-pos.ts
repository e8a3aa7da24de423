/** Activations of single heads, patched by layer, head and position. */
import type { ActivationCache, Model, Tokens } from "tritlens";
import { type ActivationPatch, genericActivationPatch, type MetricLike, type PatchOptions } from "tritlens/interp";

/** Patches the output of each head (`z`), position by position: [layer, pos, head]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadOutByPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "z", axes: ["layer", "pos", "head"] });
}

/** Patches the queries of each head, position by position: [layer, pos, head]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadQByPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "q", axes: ["layer", "pos", "head"] });
}

/** Patches the keys of each head, position by position: [layer, pos, head]; grouped keys count as one head. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadKByPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "k", axes: ["layer", "pos", "head"] });
}

/** Patches the values of each head, position by position: [layer, pos, head]; grouped values count as one head. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadVByPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "v", axes: ["layer", "pos", "head"] });
}

/** Patches the attention pattern of each head, query by query: [layer, head, dest_pos]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadPatternByPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, {
    ...options,
    activation: "pattern",
    axes: ["layer", "head", "dest_pos"],
  });
}

/** Patches every entry of each head's attention pattern: [layer, head, dest_pos, src_pos]; entries that the causal mask hides are the corrupted run's metric. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnHeadPatternDestSrcPos(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, {
    ...options,
    activation: "pattern",
    axes: ["layer", "head", "dest_pos", "src_pos"],
  });
}
