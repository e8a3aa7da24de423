/** Metadata of a GGUF file for a configuration, with the keys that llama.cpp's converters write, in their order. */
import { ACTIVATION_KEY } from "../../checkpoint/gguf/index.ts";
import type { Architecture } from "../../checkpoint/recipe.ts";
import type { GgufValue } from "../../io/index.ts";
import type { TransformerConfig } from "../../models/index.ts";
import { extraAttention, ropeScaling } from "./rope-scaling.ts";

/** llama.cpp's numbers of file types, by the type most matrices have. */
const FILE_TYPE: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q8_0: 7,
  Q4_K: 15,
  Q6_K: 18,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  Q1_0: 40,
};

/** The architecture's name in GGUF. BitNet with squared ReLU is `bitnet-b1.58` of Microsoft's fork: `bitnet` of llama.cpp computes SiLU. */
export function ggufArchitecture(c: TransformerConfig, architecture: Architecture): string {
  if (architecture === "gpt_neox") return "gptneox";
  return architecture === "bitnet" && c.actFn === "relu2" ? "bitnet-b1.58" : architecture;
}

/** Everything but the tokenizer. */
export function ggufMetadata(
  c: TransformerConfig,
  architecture: Architecture,
  { name, mostly }: { name: string; mostly: string },
): Map<string, GgufValue> {
  const at = ggufArchitecture(c, architecture);
  const out = new Map<string, GgufValue>();
  const text = (key: string, value: string): void => void out.set(key, { type: "STRING", value });
  const count = (key: string, value: number): void => void out.set(`${at}.${key}`, { type: "UINT32", value });
  const real = (key: string, value: number): void => void out.set(`${at}.${key}`, { type: "FLOAT32", value: Math.fround(value) });
  text("general.architecture", at);
  text("general.type", "model");
  text("general.name", name);
  count("block_count", c.nLayers);
  count("context_length", c.nCtx);
  count("embedding_length", c.dModel);
  count("feed_forward_length", c.dMlp);
  count("attention.head_count", c.nHeads);
  const fused = architecture === "gpt2" || architecture === "gpt_neox";
  if (!fused) {
    count("attention.head_count_kv", c.nKeyValueHeads);
    count("attention.key_length", c.dHead);
    count("attention.value_length", c.dHead);
  }
  real(`attention.layer_norm_${fused ? "" : "rms_"}epsilon`, c.normEps);
  count("vocab_size", c.dVocab);
  if (architecture === "gpt_neox") out.set(`${at}.use_parallel_residual`, { type: "BOOL", value: c.parallelAttnMlp });
  if (c.positions === "rotary") rope(c, count, real, (key, value) => text(`${at}.${key}`, value));
  if (c.actQuant === "int8" && architecture !== "bitnet") text(ACTIVATION_KEY, "int8");
  const fileType = FILE_TYPE[mostly];
  if (fileType !== undefined) out.set("general.file_type", { type: "UINT32", value: fileType });
  out.set("general.quantization_version", { type: "UINT32", value: 2 });
  return out;
}

function rope(
  c: TransformerConfig,
  count: (key: string, value: number) => void,
  real: (key: string, value: number) => void,
  text: (key: string, value: string) => void,
): void {
  count("rope.dimension_count", c.rotaryDim);
  real("rope.freq_base", c.rotaryBase);
  const scaling = ropeScaling(c);
  if (scaling?.kind === "linear") {
    text("rope.scaling.type", "linear");
    real("rope.scaling.factor", scaling.factor);
  } else if (scaling?.kind === "yarn") {
    text("rope.scaling.type", "yarn");
    real("rope.scaling.factor", scaling.factor);
    count("rope.scaling.original_context_length", scaling.context);
    const extra = extraAttention(scaling);
    if (Math.abs(extra - 1) > 1e-6) real("rope.scaling.yarn_attn_factor", extra);
  }
}

/** Divisors of the frequencies for the tensor `rope_freqs.weight`: llama.cpp's way to say Llama 3.1's scaling, and any other. */
export function ropeDivisors(c: TransformerConfig): Float32Array | undefined {
  if (c.positions !== "rotary" || c.rotaryFreqs === null) return undefined;
  const kind = ropeScaling(c)?.kind;
  if (kind !== "llama3" && kind !== "divisors") return undefined;
  return Float32Array.from(c.rotaryFreqs, (f, i) => c.rotaryBase ** ((-2 * i) / c.rotaryDim) / f);
}
