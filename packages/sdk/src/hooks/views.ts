/** A model's weights as its users see them: TransformerLens's names and shapes, codes and scales of quantised matrices. */
import type { Quantizer } from "../spec/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { PackedWeight, WeightCodes, WeightOptions, Weights } from "./weights.ts";

/**
 * Weights of a {@link Model}. Matrices of a checkpoint stay as its file has them; every view below dequantises them when it is read, into f32 of its own, and keeps
 * nothing: a matrix of 2560 x 6912 takes 71 MB and some tens of milliseconds. The stacked views (`W_Q`, `W_in`, ...) do so for all layers at once, which is
 * gigabytes for a model of billions; take `weight("blocks.7.mlp.W_in")` there.
 */
export abstract class WeightViews {
  /**
   * The weights, while the model lives.
   *
   * @internal
   * @throws E_CLOSED after dispose.
   */
  protected abstract living(): Weights;

  /** Names of all parameters, in the order of the flat vector. */
  get paramNames(): string[] {
    return this.living().names();
  }

  /** A parameter in the core's layout ([out, in] for matrices); `effective` gives what the forward pass multiplies with. @throws E_NAME. */
  readParam(name: string, options: WeightOptions = {}): Tensor {
    return this.living().read(name, options);
  }

  /** The quantised and dequantised values of a parameter in the core's layout; the latent ones when it is not quantised. */
  effectiveParam(name: string): Tensor {
    return this.living().read(name, { effective: true });
  }

  /** Replaces a parameter (the core's layout). @throws E_NAME, E_SHAPE, E_DETACHED; E_SPEC for a matrix that is kept as its file has it. */
  writeParam(name: string, data: Float32Array): void {
    this.living().write(name, data);
  }

  /** Integer codes and the one scale of a quantised or packed parameter. @throws E_NAME when it is neither; E_SHAPE when it has more scales ({@link trits}). */
  paramCodes(name: string): WeightCodes {
    return this.living().codes(name);
  }

  /** Quantiser of a parameter, `none` for full precision. */
  quantOf(name: string): Quantizer {
    return this.living().quantOf(name);
  }

  /** A parameter in TransformerLens's shape: W_Q [head, d_model, d_head], W_in [d_model, d_mlp], W_U [d_model, d_vocab_out]. @throws E_NAME. */
  weight(name: string, options: WeightOptions = {}): Tensor {
    return this.living().weight(name, options);
  }

  /** All parameters by TransformerLens's names, in its shapes. */
  stateDict(options: WeightOptions = {}): Map<string, Tensor> {
    return this.living().stateDict(options);
  }

  /** Loads a TransformerLens state dict, all or nothing. @throws E_NAME for missing or unknown tensors, E_SHAPE for wrong shapes. */
  loadStateDict(dict: ReadonlyMap<string, Tensor>): void {
    this.living().loadStateDict(dict);
  }

  /**
   * A matrix as it lies in memory: format, bytes and scales (a copy).
   *
   * @throws E_NAME for an unknown parameter, or one that is an ordinary f32 parameter.
   */
  packed(name: string): PackedWeight {
    return this.living().packed(name);
  }

  /** Codes -1, 0 and 1 of a quantised or packed matrix, [out, in] (`d_out`, `d_in`). @throws E_NAME when it has none. */
  trits(name: string): Tensor<Int8Array> {
    return this.living().trits(name);
  }

  /** Scales of a quantised or packed matrix: [1], [out] or [out, groups]. A weight is its scale times its code. @throws E_NAME when it has none. */
  scales(name: string): Tensor {
    return this.living().scales(name);
  }

  /** What the forward pass multiplies with, as f32 in TransformerLens's shape. @throws E_NAME. */
  dequantize(name: string): Tensor {
    return this.living().weight(name, { effective: true });
  }

  /** Embedding, [d_vocab, d_model]. */
  get W_E(): Tensor {
    return this.dequantize("embed.W_E");
  }

  /** Unembedding, [d_model, d_vocab_out]; W_E transposed where embeddings are tied. */
  get W_U(): Tensor {
    return this.dequantize("unembed.W_U");
  }

  /** Bias of the logits, [d_vocab_out]. @throws E_NAME where there is none. */
  get b_U(): Tensor {
    return this.dequantize("unembed.b_U");
  }

  /** Learned positions, [pos, d_model]. @throws E_NAME where there are none. */
  get W_pos(): Tensor {
    return this.dequantize("pos_embed.W_pos");
  }

  /** Queries, [layer, head, d_model, d_head]. */
  get W_Q(): Tensor {
    return this.living().stacked("attn.W_Q");
  }

  /** Keys, [layer, head, d_model, d_head], where `head` counts the key-value heads. */
  get W_K(): Tensor {
    return this.living().stacked("attn.W_K");
  }

  /** Values, [layer, head, d_model, d_head], where `head` counts the key-value heads. */
  get W_V(): Tensor {
    return this.living().stacked("attn.W_V");
  }

  /** Outputs of heads, [layer, head, d_head, d_model]. */
  get W_O(): Tensor {
    return this.living().stacked("attn.W_O");
  }

  /** Into the MLP (the up-projection of a gated one), [layer, d_model, d_mlp]. @throws E_NAME without MLPs. */
  get W_in(): Tensor {
    return this.living().stacked("mlp.W_in");
  }

  /** Gate of the MLP, [layer, d_model, d_mlp]. @throws E_NAME without gates. */
  get W_gate(): Tensor {
    return this.living().stacked("mlp.W_gate");
  }

  /** Out of the MLP, [layer, d_mlp, d_model]. @throws E_NAME without MLPs. */
  get W_out(): Tensor {
    return this.living().stacked("mlp.W_out");
  }

  /** [layer, head, d_head]. @throws E_NAME without this bias. */
  get b_Q(): Tensor {
    return this.living().stacked("attn.b_Q");
  }

  /** [layer, head, d_head], by key-value heads. @throws E_NAME without this bias. */
  get b_K(): Tensor {
    return this.living().stacked("attn.b_K");
  }

  /** [layer, head, d_head], by key-value heads. @throws E_NAME without this bias. */
  get b_V(): Tensor {
    return this.living().stacked("attn.b_V");
  }

  /** [layer, d_model]. @throws E_NAME without this bias. */
  get b_O(): Tensor {
    return this.living().stacked("attn.b_O");
  }

  /** [layer, d_mlp]. @throws E_NAME without this bias. */
  get b_in(): Tensor {
    return this.living().stacked("mlp.b_in");
  }

  /** [layer, d_mlp]. @throws E_NAME without this bias. */
  get b_gate(): Tensor {
    return this.living().stacked("mlp.b_gate");
  }

  /** [layer, d_model]. @throws E_NAME without this bias. */
  get b_out(): Tensor {
    return this.living().stacked("mlp.b_out");
  }
}
