/** Path patching (Wang et al. 2022, arXiv 2211.00593; Goldowsky-Dill et al. 2023, arXiv 2304.05969): what one part tells others. */
import { type ActivationCache, type Edit, type Model, Tensor, type Tokens, type Variant } from "tritlens";
import {
  type Frozen,
  headPlaces,
  type MetricLike,
  measureVariants,
  PathPatch,
  type Place,
  pathCarrier,
  placeLabel,
  type SweepRunOptions,
  toMetric,
} from "tritlens/interp";

/** Options of {@link pathPatch}. */
export interface PathPatchOptions extends SweepRunOptions {
  /** Inputs that get the change, all of them together: queries, keys or values of heads, `mlp.hook_pre`, or the last `hook_resid_post` for the logits. */
  readonly receivers: readonly Place[];
  /** Parts that write into the residual stream, one after the other: `hook_z`, `hook_attn_out`, `hook_mlp_out`, `hook_embed`. Every head when left out. */
  readonly senders?: readonly Place[];
  /** What does not pass the change on. `heads` when left out. */
  readonly freeze?: Frozen;
}

/**
 * Patches paths. Each sender gets its clean value while what is frozen stays as in the corrupted run, and the receivers' values are recorded; then the corrupted run is
 * repeated with these values at the receivers, and measured. Path patching (Wang et al. 2022, arXiv 2211.00593; Goldowsky-Dill et al. 2023, arXiv 2304.05969).
 *
 * Two runs a sender; where every pair of heads is wanted, {@link eap} ranks edges first.
 *
 * @param corruptedTokens - [batch, pos].
 * @param cleanCache - Activations of the clean run; the senders must be in it.
 * @returns One number a sender: [layer, head] when senders were left out, else [sender]. NaN where no path leads from the sender to a receiver.
 * @throws E_MODE for a sender that does not write into the residual stream and for a receiver that is frozen itself; E_NAME, E_SHAPE, E_RANGE for places and runs that do not
 * fit; E_ABORTED; what the metric throws, and E_NONFINITE, E_SHAPE for what it returns.
 * @example
 * ```ts
 * const toLogits = await pathPatch(model, corrupt, cache, metric, { receivers: [{ name: `blocks.${model.layers - 1}.hook_resid_post` }] });
 * ```
 */
export async function pathPatch(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  { receivers, senders, freeze = "heads", ...options }: PathPatchOptions,
): Promise<PathPatch> {
  const heads = senders ? [] : headPlaces(model, cleanCache);
  const from = senders ?? heads.flat();
  const carry = pathCarrier(model, corruptedTokens, cleanCache, receivers, freeze);
  const [variants, slots]: [Variant[], number[]] = [[], []];
  for (const [slot, sender] of from.entries()) {
    // The sweep below notices the abort and ends as it was told to.
    if (options.signal?.aborted) break;
    const values = carry(sender);
    if (values === undefined) continue;
    variants.push({
      edits: receivers.map(({ name, at }): [string, Edit] => [name, { kind: "patch", value: values.get(name), ...(at ? { at } : {}) }]),
    });
    slots.push(slot);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const { plain, values, complete } = await measureVariants(model, corruptedTokens, variants, metric, options);
  const all = new Float32Array(from.length).fill(Number.NaN);
  for (const [i, slot] of slots.entries()) all[slot] = values[i] as number;
  return new PathPatch({
    values: senders ? Tensor.from(all, [all.length], ["sender"]) : Tensor.from(all, [heads.length, heads[0]?.length ?? 0], ["layer", "head"]),
    senders: from.map(placeLabel),
    receivers: receivers.map(placeLabel),
    corrupt: plain,
    metric: toMetric(metric).name,
    complete: complete && options.signal?.aborted !== true,
  });
}
