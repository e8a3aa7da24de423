/** The residual stream and what blocks add to it, patched by layer and position. */
import type { ActivationCache, Model, Tokens } from "tritlens";
import { type ActivationPatch, genericActivationPatch, type MetricLike, type PatchOptions } from "tritlens/interp";

/** Patches the residual stream before each block, position by position: [layer, pos]. @throws As {@link genericActivationPatch}. */
export function getActPatchResidPre(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "resid_pre", axes: ["layer", "pos"] });
}

/** Patches the residual stream between attention and MLP, position by position: [layer, pos]. @throws E_MODE for models without MLPs or with parallel attention, which have no such place, and as {@link genericActivationPatch}. */
export function getActPatchResidMid(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "resid_mid", axes: ["layer", "pos"] });
}

/** Patches the output of each attention layer, position by position: [layer, pos]. @throws As {@link genericActivationPatch}. */
export function getActPatchAttnOut(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "attn_out", axes: ["layer", "pos"] });
}

/** Patches the output of each MLP, position by position: [layer, pos]. @throws E_MODE for models without MLPs, and as {@link genericActivationPatch}. */
export function getActPatchMlpOut(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatch> {
  return genericActivationPatch(model, corruptedTokens, cleanCache, metric, { ...options, activation: "mlp_out", axes: ["layer", "pos"] });
}
