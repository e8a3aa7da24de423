/** Neurons and tokens: what each neuron of an MLP adds to the logits, and which neurons push a token. */
import { type Model, Tensor, TritlensError } from "tritlens";
import {
  type DirectionTokens,
  type DirectionTokensOptions,
  directionTokens,
  requireIndex,
  requireMlp,
  tokenLabel,
  weightIfAny,
} from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link neuronLogits}. */
export interface NeuronLogitsOptions extends Omit<DirectionTokensOptions, "labels"> {
  /** Neurons to look at; all of the layer when left out. */
  readonly neurons?: readonly number[];
}

/**
 * The tokens that neurons of a layer raise and lower most when they are active: rows of `W_out W_U` (Geva et al. 2021). Later layers see the neuron as well, so this is only
 * its direct effect.
 *
 * @throws E_MODE without MLPs, E_RANGE for a layer, neuron or count that does not exist, E_NAME for another treatment of norms, E_SPEC for a model of a bare Spec.
 * @example
 * ```ts
 * const map = neuronLogits(model, 5, { neurons: [17, 290], count: 5 });
 * map.texts(0); // five tokens of neuron 17
 * ```
 */
export function neuronLogits(model: Model, layer: number, { neurons, ...options }: NeuronLogitsOptions = {}): DirectionTokens {
  const { dMlp, dModel } = requireMlp(model);
  const rows = writing(model, layer, options.norms);
  for (const neuron of neurons ?? []) requireIndex("neuron", neuron, dMlp);
  const chosen = neurons ?? Array.from({ length: dMlp }, (_, i) => i);
  const data = new Float32Array(chosen.length * dModel);
  for (const [i, neuron] of chosen.entries()) data.set(rows.subarray(neuron * dModel, (neuron + 1) * dModel), i * dModel);
  const directions = Tensor.from(data, [chosen.length, dModel], ["neuron", "d_model"]);
  return directionTokens(model, directions, { ...options, labels: chosen.map((neuron) => `L${layer}N${neuron}`) });
}

/** A neuron and what it adds. */
export interface ScoredNeuron {
  /** `L0N17`. */
  readonly label: string;
  /** Logits for each unit of its activation. */
  readonly score: number;
}

/** What every neuron of a model adds to one direction of the logits. */
export class NeuronScores extends Result {
  /** Logits for each unit of activation, [layer, neuron]. */
  readonly scores: Tensor;
  /** What was asked for. */
  readonly name: string;

  constructor(scores: Tensor, name: string) {
    super();
    this.scores = scores;
    this.name = name;
  }

  /** The neurons with the largest scores, or with the largest absolute ones. */
  top(count = 10, { signed = true }: { readonly signed?: boolean } = {}): readonly ScoredNeuron[] {
    const { data, shape } = this.scores;
    const size = (x: number): number => (signed ? x : Math.abs(x));
    return Array.from(data, (score, i) => ({ label: `L${Math.floor(i / shape[1])}N${i % shape[1]}`, score }))
      .sort((a, b) => size(b.score) - size(a.score))
      .slice(0, count);
  }

  override chart(): Chart {
    const top = this.top(20, { signed: false });
    return {
      kind: "bars",
      title: `Neurons that write ${this.name}`,
      caption: "Logits for each unit of activation: the 20 largest.",
      x: { name: "neuron", labels: top.map(({ label }) => label) },
      series: [{ name: "logit", values: top.map(({ score }) => score) }],
      unit: "logit",
    };
  }
}

/**
 * How much one unit of each neuron adds to the logit of a token, or to the difference of two: [layer, neuron]. Only the direct effect, for positive activations.
 *
 * @throws E_MODE without MLPs, E_RANGE for a token that does not exist, E_NAME for another treatment of norms, E_SPEC for a model of a bare Spec.
 */
export function neuronsForToken(
  model: Model,
  token: number,
  { against, norms = "raw" }: { readonly against?: number; readonly norms?: "raw" | "folded" } = {},
): NeuronScores {
  const { dModel: d, dMlp, nLayers, dVocabOut, finalNorm } = requireMlp(model);
  for (const t of against === undefined ? [token] : [token, against]) requireIndex("token", t, dVocabOut);
  const unembed = model.readParam("unembed.W_U", { effective: true }).data;
  const direction = Float32Array.from({ length: d }, (_, i) => unembed[token * d + i] - (against === undefined ? 0 : unembed[against * d + i]));
  if (norms === "folded") {
    const gain = weightIfAny(model, "ln_final.w")?.data;
    for (let i = 0; i < d; i++) direction[i] *= gain?.[i] ?? 1;
    const mean = finalNorm.startsWith("LN") ? direction.reduce((sum, x) => sum + x, 0) / d : 0;
    for (let i = 0; i < d; i++) direction[i] -= mean;
  }
  const scores = new Float32Array(nLayers * dMlp);
  for (let layer = 0; layer < nLayers; layer++)
    model.core.matmul(writing(model, layer, norms), direction, dMlp, d, 1, scores.subarray(layer * dMlp, (layer + 1) * dMlp));
  const text = (t: number): string => `"${tokenLabel(model, t)}"`;
  const name = against === undefined ? text(token) : `${text(token)} rather than ${text(against)}`;
  return new NeuronScores(Tensor.from(scores, [nLayers, dMlp], ["layer", "neuron"]), name);
}

/** W_out [d_mlp, d_model], with the gains of BitNet's sub-norms when folded. */
function writing(model: Model, layer: number, norms: "raw" | "folded" = "raw"): Float32Array {
  const { dModel, nLayers } = requireMlp(model);
  requireIndex("layer", layer, nLayers);
  const at = `blocks.${layer}.mlp.`;
  const { data } = model.dequantize(`${at}W_out`);
  if (norms !== "raw" && norms !== "folded")
    throw new TritlensError("E_NAME", "unknown treatment of norms", { expected: "raw or folded", found: String(norms) });
  if (norms === "raw") return data;
  for (const name of [`${at}sub_norm.w`, `${at}out.norm.w`]) {
    const gain = weightIfAny(model, name)?.data;
    if (gain) for (let i = 0; i < data.length; i++) data[i] *= gain[Math.floor(i / dModel)];
  }
  return data;
}
