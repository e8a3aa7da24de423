/** Direct paths from heads to later heads (Wang et al. 2022, arXiv 2211.00593; TransformerLens 4's `get_act_patch_direct_path`). */
import { type ActivationCache, type Edit, type Model, Tensor, type Tokens, TritlensError, type Variant } from "tritlens";
import {
  DirectPathPatch,
  headPlaces,
  type MetricLike,
  measureVariants,
  type Place,
  pathCarrier,
  placeLabel,
  type SweepRunOptions,
  toMetric,
} from "tritlens/interp";

/** Options of {@link getActPatchDirectPathAllSources}. */
export interface DirectPathOptions extends SweepRunOptions {
  /** Which input of the later heads sees the source's clean output; `q` when left out. */
  readonly component?: "q" | "k" | "v";
}

/** Options of {@link getActPatchDirectPath}. */
export interface DirectPathFromOptions extends DirectPathOptions {
  /** Layer of the source head. */
  readonly srcLayer: number;
  /** The source head. */
  readonly srcHead: number;
}

/**
 * Puts a head's clean output into the query (key, value) of each later head, one head at a time, while every other reader sees the corrupted output. Direct paths of Wang et
 * al. (2022, arXiv 2211.00593), as TransformerLens's `get_act_patch_direct_path`.
 *
 * @param corruptedTokens - [batch, pos].
 * @param cleanCache - Activations of the clean run, with `hook_z` of the source's layer and of all others.
 * @returns `values` [layer, head] of the receiving head; NaN up to the source's own layer. Grouped keys and values have one receiver a group.
 * @throws E_RANGE for a head that does not exist, and as `pathPatch`.
 */
export async function getActPatchDirectPath(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  { srcLayer, srcHead, ...options }: DirectPathFromOptions,
): Promise<DirectPathPatch> {
  const heads = headPlaces(model, cleanCache);
  const source = heads[srcLayer]?.[srcHead];
  if (!source)
    throw new TritlensError("E_RANGE", "there is no such source head", {
      expected: `a layer in [0, ${heads.length}) and a head in [0, ${heads[0]?.length ?? 0})`,
      found: `layer ${srcLayer}, head ${srcHead}`,
    });
  return directPaths(model, corruptedTokens, cleanCache, metric, { ...options, sources: [source], shape: [] });
}

/**
 * {@link getActPatchDirectPath} from every head: one run a pair of heads, which is much for a large model.
 *
 * @returns `values` [src_layer, src_head, layer, head].
 * @throws As {@link getActPatchDirectPath}.
 */
export async function getActPatchDirectPathAllSources(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  options: DirectPathOptions = {},
): Promise<DirectPathPatch> {
  const heads = headPlaces(model, cleanCache);
  const shape = [heads.length, heads[0]?.length ?? 0];
  return directPaths(model, corruptedTokens, cleanCache, metric, { ...options, sources: heads.flat(), shape });
}

interface Sources extends DirectPathOptions {
  readonly sources: readonly Place[];
  /** Axes of the sources in the result. */
  readonly shape: readonly number[];
}

async function directPaths(
  model: Model,
  tokens: Tokens,
  cache: ActivationCache,
  metric: MetricLike,
  { component = "q", sources, shape, ...options }: Sources,
): Promise<DirectPathPatch> {
  const names = Array.from({ length: model.layers }, (_, l) => `blocks.${l}.attn.hook_${component}`);
  const carry = pathCarrier(
    model,
    tokens,
    cache,
    names.map((name) => ({ name })),
    "heads and MLPs",
  );
  const [variants, slots]: [Variant[], number[]] = [[], []];
  const heads = model.spec.sites.find((site) => site.name === names[0])?.shape[2] as number;
  for (const [s, source] of sources.entries()) {
    // The sweep below notices the abort and ends as it was told to.
    if (options.signal?.aborted) break;
    const values = carry(source);
    const from = names.indexOf(source.name.replace("hook_z", `hook_${component}`)) + 1;
    for (const [layer, name] of names.entries()) {
      if (values === undefined || layer < from) continue;
      const value = values.get(name);
      for (let head = 0; head < heads; head++) {
        variants.push({ edits: [[name, { kind: "patch", value, at: { head } } satisfies Edit]] });
        slots.push((s * names.length + layer) * heads + head);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const { plain, values, complete } = await measureVariants(model, tokens, variants, metric, options);
  const all = new Float32Array(sources.length * names.length * heads).fill(Number.NaN);
  for (const [i, slot] of slots.entries()) all[slot] = values[i] as number;
  const axes = [...(shape.length > 0 ? ["src_layer", "src_head"] : []), "layer", "head"];
  return new DirectPathPatch({
    values: Tensor.from(all, [...shape, names.length, heads], axes),
    senders: sources.map(placeLabel),
    component,
    corrupt: plain,
    metric: toMetric(metric).name,
    complete: complete && options.signal?.aborted !== true,
  });
}
