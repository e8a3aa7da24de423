/** All kinds of activations of heads or blocks in one sweep: what one looks at first. */
import type { ActivationCache, Model, Tokens } from "tritlens";
import { ActivationPatchSet, type MetricLike, type PatchOptions, type PatchPlace, patchPlaces } from "tritlens/interp";

const HEAD_TYPES = ["Output", "Query", "Key", "Value", "Pattern"];
const HEAD_ACTIVATIONS = ["z", "q", "k", "v", "pattern"];

/**
 * Output, query, key, value and pattern of every head, at all positions together.
 *
 * @returns `values` [patch_type, layer, head]; NaN beyond the last key-value head of grouped-query attention.
 * @throws As `genericActivationPatch`; the clean cache must hold z, q, k, v and pattern of all layers.
 */
export async function getActPatchAttnHeadAllPosEvery(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatchSet> {
  const places = HEAD_ACTIVATIONS.map((activation): PatchPlace => ({ activation, axes: ["layer", "head"] }));
  const parts = await patchPlaces(model, corruptedTokens, cleanCache, metric, places, options);
  return new ActivationPatchSet("Patching heads", parts, HEAD_TYPES);
}

/**
 * Output, query, key, value and pattern (by query) of every head, position by position.
 *
 * @returns `values` [patch_type, layer, pos, head]; NaN beyond the last key-value head of grouped-query attention.
 * @throws As `genericActivationPatch`; the clean cache must hold z, q, k, v and pattern of all layers.
 */
export async function getActPatchAttnHeadByPosEvery(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatchSet> {
  const places = HEAD_ACTIVATIONS.map(
    (activation): PatchPlace => ({ activation, axes: activation === "pattern" ? ["layer", "head", "dest_pos"] : ["layer", "pos", "head"] }),
  );
  const parts = await patchPlaces(model, corruptedTokens, cleanCache, metric, places, options);
  return new ActivationPatchSet("Patching heads by position", parts, HEAD_TYPES);
}

/**
 * Residual stream, attention output and MLP output of every block, position by position.
 *
 * @returns `values` [patch_type, layer, pos].
 * @throws As `genericActivationPatch`: E_MODE for models without MLPs.
 */
export async function getActPatchBlockEvery(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: PatchOptions = {},
): Promise<ActivationPatchSet> {
  const places = ["resid_pre", "attn_out", "mlp_out"].map((activation): PatchPlace => ({ activation, axes: ["layer", "pos"] }));
  const parts = await patchPlaces(model, corruptedTokens, cleanCache, metric, places, options);
  return new ActivationPatchSet("Patching blocks", parts, ["Residual stream", "Attention output", "MLP output"]);
}
