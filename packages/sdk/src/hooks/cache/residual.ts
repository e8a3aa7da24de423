/** The residual stream: as it grew, and as the sum of what was added to it. */
import { unknownName } from "../../core/errors.ts";
import { concat, Tensor } from "../../tensor/index.ts";
import { stackHeads } from "./heads.ts";
import { normed } from "./ln.ts";
import { type NeuronStackOptions, stackNeurons } from "./neurons.ts";
import { ResidualStack } from "./stack.ts";
import { type CacheView, layerOf, type PosSlice, stackOf, streamInto, takePos } from "./view.ts";

/** Options of {@link ActivationCache.accumulatedResid}. */
export interface AccumulatedOptions {
  /** Also the stream between attention and MLP of earlier layers. */
  readonly inclMid?: boolean;
  /** Centre and divide by the scale of the norm that the last of them goes through. */
  readonly applyLn?: boolean;
  /** These positions only. */
  readonly posSlice?: PosSlice | undefined;
  /** Also the stream into the MLP of `layer`. */
  readonly mlpInput?: boolean;
}

/** As {@link ActivationCache.accumulatedResid}. */
export function accumulated(view: CacheView, layer: number | undefined, options: AccumulatedOptions = {}): ResidualStack {
  const { inclMid = false, mlpInput = false, posSlice } = options;
  const to = layerOf(view, layer);
  const { nLayers } = view.parts().config;
  const found: [string, Tensor][] = [];
  for (let l = 0; l <= to; l++) {
    found.push([l === nLayers ? "final_post" : `${l}_pre`, streamInto(view, l)]);
    if (l < nLayers && ((inclMid && l < to) || (mlpInput && l === to))) found.push([`${l}_mid`, view.get(`blocks.${l}.hook_resid_mid`)]);
  }
  return finish(view, found, to, options.applyLn ? { mlpInput } : undefined, posSlice);
}

/** Options of {@link ActivationCache.decomposeResid}. */
export interface DecomposeOptions {
  /** Outputs of attention, of MLPs, or both. */
  readonly mode?: "all" | "attn" | "mlp";
  /** Centre and divide by the scale of the norm that their sum goes through. */
  readonly applyLn?: boolean;
  /** These positions only. */
  readonly posSlice?: PosSlice | undefined;
  /** Also the embeddings (true). */
  readonly inclEmbeds?: boolean;
  /** Also the attention of `layer`: what its MLP reads. */
  readonly mlpInput?: boolean;
}

/** As {@link ActivationCache.decomposeResid}. */
export function decompose(view: CacheView, layer: number | undefined, options: DecomposeOptions = {}): ResidualStack {
  const { mode = "all", posSlice, inclEmbeds = true, mlpInput = false } = options;
  if (!["all", "attn", "mlp"].includes(mode)) throw unknownName("mode of a decomposition", String(mode), ["all", "attn", "mlp"]);
  const { attnOnly } = view.parts().config;
  const to = layerOf(view, layer);
  const found: [string, Tensor][] = inclEmbeds ? embeddings(view) : [];
  for (let l = 0; l < to; l++) {
    if (mode !== "mlp") found.push([`${l}_attn_out`, view.get(`blocks.${l}.hook_attn_out`)]);
    if (mode !== "attn" && !attnOnly) found.push([`${l}_mlp_out`, view.get(`blocks.${l}.hook_mlp_out`)]);
  }
  if (mlpInput && mode !== "mlp") found.push([`${to}_attn_out`, view.get(`blocks.${to}.hook_attn_out`)]);
  return finish(view, found, to, options.applyLn ? { mlpInput } : undefined, posSlice);
}

/** Options of {@link ActivationCache.getFullResidDecomposition}. */
export interface FullDecompositionOptions extends NeuronStackOptions {
  /** Every neuron (true), or every MLP as one component. */
  readonly expandNeurons?: boolean;
  /** Also the attention of `layer`: what its MLP reads. */
  readonly mlpInput?: boolean;
}

/** As {@link ActivationCache.getFullResidDecomposition}. */
export function fullDecomposition(view: CacheView, layer: number | undefined, options: FullDecompositionOptions = {}): ResidualStack {
  const { expandNeurons = true, mlpInput = false, posSlice } = options;
  const to = layerOf(view, layer);
  const found = [stackHeads(view, to + (mlpInput ? 1 : 0), { posSlice })];
  if (!view.parts().config.attnOnly && to > 0) {
    if (expandNeurons) found.push(stackNeurons(view, to, { posSlice, budgetBytes: options.budgetBytes, neuronSlice: options.neuronSlice }));
    else found.push(decompose(view, to, { posSlice, mode: "mlp", inclEmbeds: false }));
  }
  const like = takePos(streamInto(view, 0), posSlice);
  const bias = accumulatedBias(view, to, mlpInput, expandNeurons);
  const spread = Tensor.from(
    Float32Array.from({ length: like.size }, (_, i) => bias[i % bias.length] as number),
    like.shape,
    like.axes,
  );
  const rest: [string, Tensor][] = [...embeddings(view).map(([name, t]): [string, Tensor] => [name, takePos(t, posSlice)]), ["bias", spread]];
  found.push(stackNamed(rest, like));
  const tensors = found.map((s) => s.tensor);
  const whole = new ResidualStack(
    concat(tensors, "component"),
    found.flatMap((s) => s.labels),
  );
  return options.applyLn ? normed(view, whole, to, { mlpInput, posSlice }) : whole;
}

/** What is added before the first block. Shortformer's positions never are. */
function embeddings(view: CacheView): [string, Tensor][] {
  const { positions } = view.parts().config;
  return [["embed", view.get("hook_embed")], ...(positions === "standard" ? [["pos_embed", view.get("hook_pos_embed")] as [string, Tensor]] : [])];
}

/** The biases that blocks added up to a layer, [d_model]. */
function accumulatedBias(view: CacheView, layer: number, mlpInput: boolean, mlp: boolean): Float32Array {
  const parts = view.parts();
  const sum = new Float32Array(parts.config.dModel);
  const names = Array.from({ length: layer }, (_, l) => [`blocks.${l}.attn.b_O`, ...(mlp ? [`blocks.${l}.mlp.b_out`] : [])]).flat();
  for (const name of [...names, ...(mlpInput ? [`blocks.${layer}.attn.b_O`] : [])])
    parts.find(name)?.forEach((x, i) => {
      sum[i] = (sum[i] as number) + x;
    });
  return sum;
}

function finish(
  view: CacheView,
  found: readonly [string, Tensor][],
  layer: number,
  norm: { mlpInput: boolean } | undefined,
  posSlice: PosSlice | undefined,
): ResidualStack {
  const cut = found.map(([name, t]): [string, Tensor] => [name, takePos(t, posSlice)]);
  const stacked = stackNamed(cut, takePos(streamInto(view, 0), posSlice));
  return norm ? normed(view, stacked, layer, { ...norm, posSlice }) : stacked;
}

function stackNamed(found: readonly [string, Tensor][], like: Tensor): ResidualStack {
  const tensors = found.map(([, t]) => t);
  return new ResidualStack(
    stackOf(tensors, like),
    found.map(([name]) => name),
  );
}
