/** What analyses of weights ask of a model: that it is a transformer of this library, and that layers and heads exist. */
import { type Model, type Tensor, TritlensError } from "tritlens";
import type { TransformerConfig } from "tritlens/models";

/**
 * The configuration of a model, for analyses that go by the names of its weights.
 *
 * @throws E_SPEC for a model that was made from a bare Spec, whose weights have no such names.
 */
export function configOf(model: Model): TransformerConfig {
  if (model.config) return model.config;
  throw new TritlensError("E_SPEC", "an analysis of weights needs a transformer with a configuration", {
    expected: "a model of Model.fromConfig or Model.fromPretrained, or Model.fromSpec with config",
    found: "a model of a bare Spec",
  });
}

/** The configuration of a model with MLPs. @throws E_MODE when it has none, E_SPEC as {@link configOf}. */
export function requireMlp(model: Model): TransformerConfig {
  const config = configOf(model);
  if (!config.attnOnly) return config;
  throw new TritlensError("E_MODE", "the model has no MLP", { expected: "a model with MLPs", found: "attnOnly: true" });
}

/**
 * Checks an index.
 *
 * @param what - What is counted, for the error: `layer`, `head`.
 * @throws E_RANGE unless `index` is an integer in [0, count).
 */
export function requireIndex(what: string, index: number, count: number): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw new TritlensError("E_RANGE", `no such ${what}`, { expected: `an integer in [0, ${count})`, found: String(index) });
}

/** `L0H0`, `L0H1`, ...: the names of all heads, in TransformerLens's order. @throws E_SPEC. */
export function allHeadLabels(model: Model): string[] {
  const { nLayers, nHeads } = configOf(model);
  return Array.from({ length: nLayers * nHeads }, (_, i) => `L${Math.floor(i / nHeads)}H${i % nHeads}`);
}

/**
 * A parameter of a model that may lack it, as the forward pass uses it (codes times scales), in TransformerLens's layout; undefined where the model has none of this name.
 *
 * @throws E_CLOSED after dispose.
 */
export function weightIfAny(model: Model, name: string): Tensor | undefined {
  return model.paramNames.includes(name) ? model.dequantize(name) : undefined;
}

/** A token as text inside of a sentence, or its id where the model has no tokenizer (or one with a smaller vocabulary). */
export function tokenLabel(model: Model, token: number): string {
  const { tokenizer } = model;
  return tokenizer && token < tokenizer.vocabSize ? tokenizer.tokenText(token) : `${token}`;
}
