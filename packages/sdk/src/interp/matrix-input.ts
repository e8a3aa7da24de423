/** What the last matrix of a half block multiplies: heads and neurons write into the residual stream through it. */
import { type Model, type TransformerConfig, TritlensError } from "tritlens";
import type { Activations } from "tritlens/interp";

/** `attn`: heads through W_O. `mlp`: neurons through W_out. */
export type HalfBlock = "attn" | "mlp";

interface Place {
  /** The activation to keep. */
  readonly site: string;
  /** The gain behind it, where there is one. */
  readonly gain: string | undefined;
  /** The matrix. */
  readonly weight: string;
  /** Whether the matrix multiplies int8 codes. */
  readonly int8: boolean;
}

function placeOf(model: Model, layer: number, half: HalfBlock): Place {
  const config = model.config as TransformerConfig | undefined;
  if (config === undefined)
    throw new TritlensError("E_MODE", "heads and neurons of a model without a configuration are not known", {
      expected: "a model made with fromConfig or fromPretrained, or fromSpec with its config",
      found: "a bare Spec",
    });
  if (half === "mlp" && config.attnOnly)
    throw new TritlensError("E_MODE", "the model has no MLP", { expected: "a model with neurons", found: "attnOnly: true" });
  const at = `blocks.${layer}.${half}.`;
  const [raw, matrix, weight] = half === "attn" ? ["hook_z", "o", "W_O"] : ["hook_post", "out", "W_out"];
  const quantised = !config.plainMatrices.includes(at + weight);
  const norm = quantised && config.linearNorm ? `${at}${matrix}.norm.` : config.subNorm ? `${at}sub_norm.` : undefined;
  return {
    site: norm ? `${norm}hook_normalized` : at + raw,
    gain: norm && `${norm}w`,
    weight: at + weight,
    int8: quantised && config.actQuant === "int8",
  };
}

/** The activation that {@link matrixInput} needs in the cache. @throws E_MODE for a model without this half, or without a configuration. */
export function matrixInputSite(model: Model, layer: number, half: HalfBlock): string {
  return placeOf(model, layer, half).site;
}

/** The matrix [out, in] that {@link matrixInput} is multiplied with, as the forward pass has it. */
export function outputMatrix(model: Model, layer: number, half: HalfBlock): Float32Array {
  return model.readParam(placeOf(model, layer, half).weight, { effective: true }).data;
}

/**
 * What W_O (`attn`, [batch, pos, head x d_head]) or W_out (`mlp`, [batch, pos, d_mlp]) multiplies, row-major: hook_z or hook_post after sub-norms, and with int8 activations
 * what the codes stand for. So the products of the parts add up to hook_attn_out or hook_mlp_out less the bias, in quantised models as well.
 *
 * @throws E_NAME when the cache lacks {@link matrixInputSite}; E_MODE.
 */
export function matrixInput(model: Model, cache: Activations, layer: number, half: HalfBlock): Float32Array {
  const { site, gain, int8 } = placeOf(model, layer, half);
  const tensor = cache.get(site);
  let x = tensor.data;
  if (gain !== undefined) {
    const factors = model.readParam(gain).data;
    x = x.map((value, i) => value * (factors[i % factors.length] as number));
  }
  if (!int8) return x;
  const [batch, pos] = tensor.shape as unknown as [number, number];
  const cols = x.length / (batch * pos);
  const [codes, scales] = [new Int8Array(x.length), new Float32Array(x.length / cols)];
  model.core.quantizeActivations(x, scales.length, cols, codes, scales);
  return Float32Array.from(codes, (code, i) => code * (scales[Math.floor(i / cols)] as number));
}
