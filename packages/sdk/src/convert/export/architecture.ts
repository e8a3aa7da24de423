/** Finds the architecture as which a model can be written, and what has to be filled in or left out for it. */
import { ARCHITECTURES, type Architecture, type Recipe } from "../../checkpoint/recipe.ts";
import { TritlensError } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import type { TransformerConfig } from "../../models/index.ts";
import { differingField } from "./config-match.ts";

/** A recipe that reads back what is written. */
export interface Fit {
  readonly architecture: Architecture;
  readonly recipe: Recipe;
}

/** Fields that parameters of zeros or ones can make up for. */
type Neutral = "attnBias" | "attnOutBias" | "mlpBias" | "unembedBias" | "gateBias" | "normalization" | "finalNorm";
const NEUTRAL: readonly Neutral[] = ["attnBias", "attnOutBias", "mlpBias", "gateBias", "unembedBias", "normalization", "finalNorm"];

/** Names of the biases behind each field. */
const BIASES: Readonly<Record<Exclude<Neutral, "normalization" | "finalNorm">, RegExp>> = {
  attnBias: /\.attn\.b_[QKV]$/,
  attnOutBias: /\.attn\.b_O$/,
  mlpBias: /\.mlp\.b_/,
  gateBias: /\.mlp\.b_/,
  unembedBias: /^unembed\.b_U$/,
};

/**
 * The first architecture whose recipe gives the model's configuration back; the one that the model was loaded as comes first.
 *
 * @param wanted - The only one to try, or undefined for all.
 * @param recipeOf - The recipe for what would be written as this architecture.
 * @throws E_SPEC naming the field that no architecture has as the model has it.
 */
export async function fitArchitecture(
  model: Model,
  target: TransformerConfig,
  wanted: Architecture | undefined,
  recipeOf: (architecture: Architecture) => Recipe | Promise<Recipe>,
): Promise<Fit> {
  const misfits: string[] = [];
  const own = ARCHITECTURES.filter((a) => a === model.checkpoint?.architecture);
  for (const architecture of wanted ? [wanted] : new Set([...own, ...ARCHITECTURES])) {
    try {
      const recipe = await recipeOf(architecture);
      const field = differingField(neutralised(target, recipe.config, model), recipe.config);
      if (field === undefined) return { architecture, recipe };
      misfits.push(`${architecture}: ${field} ${shown(recipe.config[field])} instead of ${shown(target[field])}`);
    } catch (error) {
      // What an architecture cannot say at all, such as heads that do not divide the width.
      if (!(error instanceof TritlensError) || error.code !== "E_SPEC") throw error;
      misfits.push(`${architecture}: ${error.message.replace(/^E_SPEC: /, "")}`);
    }
  }
  throw new TritlensError("E_SPEC", "this model cannot be written in the format: no architecture of other programs computes it", {
    expected: `a model as ${wanted ?? ARCHITECTURES.join(", ")} has it`,
    found: misfits.join("; "),
  });
}

/** The target's config with the fields of `other` where zeros and ones make no difference. */
function neutralised(c: TransformerConfig, other: TransformerConfig, model: Model): TransformerConfig {
  const change: Record<string, unknown> = {};
  for (const field of NEUTRAL) {
    if (c[field] !== other[field] && isNeutral(field, c, other, model)) change[field] = other[field];
  }
  return { ...c, ...change };
}

function isNeutral(field: Neutral, c: TransformerConfig, other: TransformerConfig, model: Model): boolean {
  if (field === "normalization" || field === "finalNorm") return c[field] !== "none" && `${c[field]}` === `${other[field]}Pre`;
  const zeros = (): boolean => model.paramNames.filter((n) => BIASES[field].test(n)).every((n) => model.readParam(n).data.every((x) => x === 0));
  // gateBias moves b_in before the product: without biases it is all the same.
  if (field === "gateBias") return zeros();
  return other[field] ? true : zeros();
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 60);
}
