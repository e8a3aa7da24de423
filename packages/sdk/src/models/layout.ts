/**
 * Two layouts of the same weights: the core stores linear layers `[out, in]`, TransformerLens `[in, out]` with heads as an axis of their own. Each
 * parameter has one row here: its shape with the core's axes spelled out, and the order of those axes in TransformerLens.
 */
import { TritlensError, unknownName } from "../core/errors.ts";
import { permute, sizeOf, Tensor } from "../tensor/index.ts";
import type { TransformerConfig } from "./config.ts";

/** The layout of one parameter. */
interface Layout {
  /** The core's shape with heads as an axis, and the axes' names. */
  readonly core: readonly number[];
  readonly axes: readonly string[];
  /** `order[i]` is the core axis that TransformerLens puts at place i. */
  readonly order: readonly number[];
}

function layoutOf(c: TransformerConfig, name: string, size: number): Layout {
  const short = name.slice(name.lastIndexOf(".") + 1);
  const heads = short === "W_K" || short === "W_V" || short === "b_K" || short === "b_V" ? c.nKeyValueHeads : c.nHeads;
  switch (short) {
    case "W_Q":
    case "W_K":
    case "W_V":
      return { core: [heads, c.dHead, c.dModel], axes: ["head", "d_head", "d_model"], order: [0, 2, 1] };
    case "W_O":
      return { core: [c.dModel, c.nHeads, c.dHead], axes: ["d_model", "head", "d_head"], order: [1, 2, 0] };
    case "b_Q":
    case "b_K":
    case "b_V":
      return { core: [heads, c.dHead], axes: ["head", "d_head"], order: [0, 1] };
    case "W_in":
    case "W_gate":
      return { core: [c.dMlp, c.dModel], axes: ["d_mlp", "d_model"], order: [1, 0] };
    case "W_out":
      return { core: [c.dModel, c.dMlp], axes: ["d_model", "d_mlp"], order: [1, 0] };
    case "W_U":
      return { core: [c.dVocabOut, c.dModel], axes: ["d_vocab_out", "d_model"], order: [1, 0] };
    case "W_E":
      return { core: [c.dVocab, c.dModel], axes: ["d_vocab", "d_model"], order: [0, 1] };
    case "W_pos":
      return { core: [c.nCtx, c.dModel], axes: ["pos", "d_model"], order: [0, 1] };
    default:
      return { core: [size], axes: [vectorAxis(name, short)], order: [0] };
  }
}

function vectorAxis(name: string, short: string): string {
  if (short === "b_in" || short === "b_gate" || name.endsWith("mlp.sub_norm.w")) return "d_mlp";
  if (short === "b_U") return "d_vocab_out";
  return /\.[qk]_norm\.w$/.test(name) ? "d_head" : "d_model";
}

/** TransformerLens's name of a parameter: grouped keys and values carry an underscore there (`_W_K`). */
export function transformerLensName(c: TransformerConfig, name: string): string {
  return c.nKeyValueHeads === c.nHeads ? name : name.replace(/\.([Wb]_[KV])$/, "._$1");
}

/** A parameter in TransformerLens's shape, from its values in the core's. `W_Q` becomes [head, d_model, d_head], `W_U` [d_model, d_vocab_out]. */
export function toTransformerLens(c: TransformerConfig, name: string, data: Float32Array): Tensor {
  const { core, axes, order } = layoutOf(c, name, data.length);
  const shape = order.map((k) => core[k] as number);
  return Tensor.from(
    permute(data, core, order),
    shape,
    order.map((k) => axes[k] as string),
  );
}

/**
 * The core's values of a parameter, from TransformerLens's.
 *
 * @throws E_SHAPE naming the parameter, when the tensor does not have TransformerLens's shape for this config.
 */
export function fromTransformerLens(c: TransformerConfig, name: string, tensor: Tensor): Float32Array {
  const { core, order } = layoutOf(c, name, tensor.size);
  const shape = order.map((k) => core[k] as number);
  if (shape.length !== tensor.shape.length || shape.some((d, i) => d !== tensor.shape[i])) {
    throw new TritlensError("E_SHAPE", `wrong shape of parameter "${name}"`, {
      expected: `[${shape.join(", ")}]`,
      found: `[${tensor.shape.join(", ")}]`,
    });
  }
  const inverse = core.map((_, k) => order.indexOf(k));
  return permute(tensor.data, shape, inverse);
}

/** Entries of a TransformerLens state dict that are no parameters: buffers of masks and rotary tables, which the core computes itself. */
const BUFFERS = /\.(mask|IGNORE|rotary_sin|rotary_cos)$/;

/**
 * Matches a state dict against the parameters of a model, by TransformerLens's names.
 *
 * @returns Values in the core's layout, by the model's parameter names.
 * @throws E_NAME for a tensor the model does not have or a parameter the dict lacks; E_SHAPE for a wrong shape.
 */
export function readStateDict(c: TransformerConfig, params: readonly string[], dict: ReadonlyMap<string, Tensor>): Map<string, Float32Array> {
  const out = new Map<string, Float32Array>();
  if (c.tiedEmbeddings) requireTied(dict);
  for (const name of params) {
    const key = transformerLensName(c, name);
    const tensor = dict.get(key);
    if (!tensor) throw new TritlensError("E_NAME", `the state dict lacks parameter "${key}"`, { expected: key, found: `${dict.size} other tensors` });
    out.set(name, fromTransformerLens(c, name, tensor));
  }
  const known = new Set(params.map((name) => transformerLensName(c, name)));
  if (c.tiedEmbeddings) known.add(UNEMBED);
  for (const key of dict.keys()) {
    if (!known.has(key) && !BUFFERS.test(key) && !isZeroBias(key, dict.get(key) as Tensor))
      throw unknownName("parameter in the state dict", key, known);
  }
  return out;
}

/** TransformerLens's name of the unembedding; a tied model has no parameter of that name, W_E transposed stands for it. */
export const UNEMBED = "unembed.W_U";

/** A dict for a tied model may hold W_U, but no other one than W_E transposed. */
function requireTied(dict: ReadonlyMap<string, Tensor>): void {
  const [embed, unembed] = [dict.get("embed.W_E"), dict.get(UNEMBED)];
  if (!embed || !unembed) return;
  const transposed = permute(embed.data, embed.shape, [1, 0]);
  if (unembed.size === embed.size && unembed.data.every((x, i) => x === transposed[i])) return;
  throw new TritlensError("E_SPEC", `the model's embeddings are tied, the dict's "${UNEMBED}" is no transpose of "embed.W_E"`, {
    expected: "tiedEmbeddings: false, or equal values",
    found: "different values",
  });
}

/** TransformerLens always stores biases; a model without them may load a dict whose extra biases are all zero. */
function isZeroBias(key: string, tensor: Tensor): boolean {
  return /\.(_?b_\w+|b)$/.test(key) && sizeOf(tensor.shape) > 0 && tensor.data.every((x) => x === 0);
}
