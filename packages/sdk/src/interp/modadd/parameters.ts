/** The weights of a modular-addition model by short names, to and from a tritlens model. */
import { TritlensError, unknownName } from "../../core/index.ts";
import type { Model } from "../../hooks/index.ts";
import type { Floats, ModAddWeight, ModAddWeights } from "./input.ts";

/** Short name of a weight, as the reference checkpoints and this folder use it, and the model's parameter. All matrices are `[out, in]` in both. */
const PARAMETERS: Readonly<Record<string, string>> = {
  W_E: "embed.W_E",
  W_pos: "pos_embed.W_pos",
  W_Q: "blocks.0.attn.W_Q",
  W_K: "blocks.0.attn.W_K",
  W_V: "blocks.0.attn.W_V",
  W_O: "blocks.0.attn.W_O",
  W_in: "blocks.0.mlp.W_in",
  b_in: "blocks.0.mlp.b_in",
  W_out: "blocks.0.mlp.W_out",
  b_out: "blocks.0.mlp.b_out",
  gain: "ln_final.w",
  W_U: "unembed.W_U",
};

/** The model's parameters and their short names; a parameter without a short name keeps its own. */
function shortNames(model: Model): [short: string, name: string][] {
  const short = new Map(Object.entries(PARAMETERS).map(([key, name]) => [name, key]));
  return model.paramNames.map((name) => [short.get(name) ?? name, name]);
}

/** Reads all weights of a model, latent and effective, by short names. */
export function modAddWeights(model: Model): ModAddWeights {
  return Object.fromEntries(shortNames(model).map(([short, name]) => [short, readWeight(model, name)]));
}

function readWeight(model: Model, name: string): ModAddWeight {
  const { data: latent, shape } = model.readParam(name);
  const quant = model.quantOf(name);
  return { quant, latent, effective: quant === "none" ? latent : model.effectiveParam(name).data, shape };
}

/** Values of one parameter. */
export interface NamedArray {
  /** Extents, row-major. */
  readonly shape: readonly number[];
  /** As many numbers as the extents say. */
  readonly data: Floats;
}

/**
 * Loads a checkpoint with short names (`W_E`, `W_Q`, ..., `gain`, `W_U`; matrices `[out, in]`), as the PyTorch reference script saves them. All or nothing.
 *
 * @throws TritlensError E_NAME for a missing or unknown tensor, E_SHAPE for a wrong shape; the model is unchanged then.
 */
export function loadModAddWeights(model: Model, tensors: ReadonlyMap<string, NamedArray>): void {
  const names = shortNames(model);
  for (const key of tensors.keys()) {
    if (!names.some(([short]) => short === key))
      throw unknownName(
        "weight in the checkpoint",
        key,
        names.map(([short]) => short),
      );
  }
  const values = names.map(([short, name]) => [name, checked(model, short, name, tensors.get(short))] as const);
  for (const [name, data] of values) model.writeParam(name, data);
}

function checked(model: Model, short: string, name: string, tensor: NamedArray | undefined): Float32Array {
  if (!tensor) throw new TritlensError("E_NAME", `the checkpoint lacks weight "${short}"`, { expected: short, found: "no such tensor" });
  const { shape } = model.readParam(name);
  if (shape.join() !== tensor.shape.join()) {
    throw new TritlensError("E_SHAPE", `weight "${short}" has the wrong shape`, {
      expected: `[${shape.join(", ")}]`,
      found: `[${tensor.shape.join(", ")}]`,
    });
  }
  return Float32Array.from(tensor.data);
}
