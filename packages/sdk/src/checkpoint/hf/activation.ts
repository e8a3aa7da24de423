/** Names of activation functions in config.json and GGUF metadata. */
import type { ActFn } from "../../spec/index.ts";
import type { Fields } from "../fields.ts";

/** The three tanh forms of GELU are one function, written in different orders of operations. */
const NAMES: ReadonlyMap<string, ActFn> = new Map([
  ["gelu", "gelu"],
  ["gelu_python", "gelu"],
  ["gelu_new", "gelu_new"],
  ["gelu_fast", "gelu_new"],
  ["gelu_pytorch_tanh", "gelu_new"],
  ["gelu_python_tanh", "gelu_new"],
  ["gelu_accurate", "gelu_new"],
  ["silu", "silu"],
  ["swish", "silu"],
  ["relu", "relu"],
  ["relu2", "relu2"],
]);

/** The activation function that a key names. @throws E_SPEC for one that is not supported. */
export function activation(fields: Fields, key: string, fallback: string): ActFn {
  const name = fields.text(key, fallback);
  const fn = NAMES.get(name);
  if (fn === undefined) throw fields.wrong(key, `one of ${[...NAMES.keys()].join(", ")}`, name);
  return fn;
}
