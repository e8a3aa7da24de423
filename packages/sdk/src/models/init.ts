/** Initial weights of each scheme, by parameter name. */
import type { Init } from "../spec/index.ts";
import type { TransformerConfig } from "./config.ts";

/**
 * How a parameter starts. Biases are 0 and gains 1 in every scheme; matrices:
 *
 * - `transformerlens`: N(0, 0.8 / sqrt(dModel)) (its gpt2 scheme).
 * - `li`: embedding N(0, 1), linear layers U(-1/sqrt(fan_in), 1/sqrt(fan_in)) (torch's default; code of 2405.17703).
 * - `nanda`: N(0, 1) / sqrt(dModel), also for W_out; the unembedding N(0, 1) / sqrt(dVocab) (code of 2301.05217).
 */
export function initOf(c: TransformerConfig, name: string, shape: readonly number[]): Init {
  const short = name.slice(name.lastIndexOf(".") + 1);
  if (short === "w") return { kind: "constant", value: 1 };
  if (short.startsWith("b")) return { kind: "constant", value: 0 };
  if (c.init === "li") return li(short, shape);
  if (c.init === "nanda") return { kind: "normal", std: 1 / Math.sqrt(short === "W_U" ? c.dVocab : c.dModel) };
  return { kind: "normal", std: 0.8 / Math.sqrt(c.dModel) };
}

function li(short: string, shape: readonly number[]): Init {
  if (short === "W_E" || short === "W_pos") return { kind: "normal", std: 1 };
  return { kind: "uniform", bound: 1 / Math.sqrt(shape[1] as number) };
}
