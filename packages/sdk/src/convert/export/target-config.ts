/** The configuration that a written file must be read back as, and which values of quantised parameters are written. */
import { TritlensError } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import { type KeptParam, keptParams } from "../../hooks/stored.ts";
import type { TransformerConfig } from "../../models/index.ts";
import type { SaveFormat } from "./options.ts";

/** What is to be read back. */
export interface SaveGoal {
  readonly config: TransformerConfig;
  /** Master weights are written, and quantised at load. */
  readonly online: boolean;
}

/** @throws E_SPEC for a model without a config, E_MODE where the format cannot say what the model does. */
export function saveGoal(model: Model, format: SaveFormat): SaveGoal {
  const { config } = model;
  if (!config)
    throw new TritlensError("E_SPEC", "saveModel needs to know what the parameters mean", {
      expected: "a model with a config",
      found: "a model from a bare Spec",
    });
  const online = format === "safetensors" && config.actQuant === "int8" && config.quantizer === "ternary";
  if (format === "safetensors" && config.actQuant === "int8" && !online)
    throw new TritlensError("E_MODE", "dense weights with int8 activations cannot be told in config.json", {
      expected: "the format hf-bitnet or gguf, or a model with f32 activations",
      found: "int8 activations",
    });
  if (format === "hf-bitnet") requireTernary(model, config);
  return { config: { ...config, quantizer: online ? "ternary" : "none" }, online };
}

function requireTernary(model: Model, config: TransformerConfig): void {
  if (config.actQuant !== "int8")
    throw new TritlensError("E_MODE", "transformers runs packed BitNet matrices with int8 activations only", {
      expected: 'int8 activations (convertModel with activations: "int8"), or another format',
      found: "f32 activations",
    });
  const matrices = keptParams(model).filter((p) => /^blocks\.\d+\.(attn|mlp)\.W_/.test(p.name) && !config.plainMatrices.includes(p.name));
  const wrong = matrices.find((p) => !isTernary(p));
  if (wrong)
    throw new TritlensError("E_FORMAT", `hf-bitnet holds ternary matrices, and "${wrong.name}" is none`, {
      expected: "ternary",
      found: wrong.quant === "none" ? wrong.format : wrong.quant,
    });
}

/** Whether a matrix has ternary codes: packed, or latent with a quantiser that gives them. */
export function isTernary(p: KeptParam): boolean {
  return p.format.startsWith("ternary") || p.quant === "ternary" || p.quant === "li_ternary";
}

/** The same for binary codes. */
export function isBinary(p: KeptParam): boolean {
  return p.format === "binary" || p.quant === "binary" || p.quant === "li_binary";
}
