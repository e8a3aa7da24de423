/** config.json of transformers: which architecture it names, and its recipe. */
import type { Fields } from "../fields.ts";
import { type Recipe, type TensorNames, unsupported } from "../recipe.ts";
import { gpt2Recipe } from "./gpt2.ts";
import { type LlamaLike, llamaRecipe } from "./llama.ts";
import { neoxRecipe } from "./neox.ts";
import { refuseUnhandled } from "./refuse.ts";

/** `architectures` that go with a `model_type`; BitNet's own code repository writes the name with a small n. */
const CLASSES: ReadonlyMap<string, readonly string[]> = new Map([
  ["gpt2", ["GPT2LMHeadModel"]],
  ["gpt_neox", ["GPTNeoXForCausalLM"]],
  ["llama", ["LlamaForCausalLM"]],
  ["qwen2", ["Qwen2ForCausalLM"]],
  ["qwen3", ["Qwen3ForCausalLM"]],
  ["bitnet", ["BitNetForCausalLM"]],
]);

/** Options that change what is built. */
export interface RecipeOptions {
  /** Longest context; the model's own when left out. */
  readonly nCtx?: number | undefined;
  /** Matrices become ordinary f32 parameters. */
  readonly trainable: boolean;
}

/** The recipe of a transformers checkpoint. @throws E_SPEC naming the key that decided. */
export function hfRecipe(f: Fields, tensors: TensorNames, options: RecipeOptions): Recipe {
  const type = f.text("model_type", "");
  const classes = CLASSES.get(type);
  if (!classes) throw unsupported(f.where, "model_type", JSON.stringify(type));
  const named = f.texts("architectures");
  const other = named.find((name) => !classes.includes(name));
  if (other !== undefined) throw unsupported(f.where, "architectures", other);
  refuseUnhandled(f);
  if (type === "gpt2") return gpt2Recipe(f, tensors, options);
  if (type === "gpt_neox") return neoxRecipe(f, tensors, options);
  return llamaRecipe(type as LlamaLike, f, tensors, options);
}
