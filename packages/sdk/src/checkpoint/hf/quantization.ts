/** `quantization_config` of a transformers checkpoint: BitNet's, or none. */
import type { Fields } from "../fields.ts";
import type { Packing } from "../recipe.ts";

/** BitNet quantisation of a checkpoint. */
export interface BitNetQuantization {
  /** What is done with a quantised matrix of the file. */
  readonly packing: Packing;
  /** An RMS norm with a gain stands before every quantised matrix. */
  readonly norm: boolean;
  readonly normEps: number;
  /** Whether a module (`model.layers.0.mlp.up_proj`) is quantised. */
  readonly converts: (module: string) => boolean;
}

/** @throws E_SPEC for another method, an unknown mode, or patterns that are regular expressions. */
export function bitNetQuantization(f: Fields): BitNetQuantization | undefined {
  const q = f.object("quantization_config");
  if (!q) return undefined;
  const method = q.text("quant_method", "bitnet");
  if (method !== "bitnet") throw q.wrong("quant_method", "bitnet (other quantised formats of transformers are not supported)", method);
  const linear = q.text("linear_class", "bitlinear");
  const mode = q.text("quantization_mode", "offline");
  if (linear !== "bitlinear" && linear !== "autobitlinear") throw q.wrong("linear_class", "bitlinear or autobitlinear", linear);
  if (mode !== "offline" && mode !== "online") throw q.wrong("quantization_mode", "offline or online", mode);
  // BitLinear has no online mode: transformers reads packed weights whatever the mode says.
  const packing = linear === "bitlinear" ? "divide" : mode === "online" ? "absmean" : "multiply";
  return {
    packing,
    norm: q.flag("use_rms_norm", false),
    normEps: q.positive("rms_norm_eps", 1e-6, true),
    converts: converter(q),
  };
}

/** transformers matches the names as regular expressions from the start, to a module's boundary, or as a suffix; plain names cover what people write. */
function converter(q: Fields): (module: string) => boolean {
  const kept = q.texts("modules_to_not_convert");
  const special = kept.find((name) => !/^[\w.-]+$/.test(name));
  if (special !== undefined) throw q.wrong("modules_to_not_convert", "names of modules (regular expressions are not evaluated)", special);
  return (module) => !kept.some((name) => module.endsWith(name) || module === name || module.startsWith(`${name}.`));
}
