/** The logit lens (nostalgebraist 2020): the residual stream after every block, read out as if it were the last. */
import { type Hook, type Model, Tensor, type Tokens, TritlensError, toTokenRows, zeros } from "tritlens";
import { exampleParts, type LensOptions, type LensReading, type ResidualStream, readLens } from "tritlens/interp";

/** Options of {@link residualStream}. */
export interface ResidualStreamOptions {
  /** Also the stream between attention and MLP. @throws E_MODE where there is none (attention-only and parallel blocks). */
  readonly inclMid?: boolean;
  /** Hooks of the run: a lens shows what an edit does. */
  readonly hooks?: readonly Hook[];
}

/**
 * The residual stream before every block and after the last one, [layer, batch, pos, d_model].
 *
 * @throws E_MODE for a model without blocks, or with `inclMid` without a stream between attention and MLP; and what `runWithCache` throws.
 */
export function residualStream(model: Model, tokens: Tokens, { inclMid = false, hooks }: ResidualStreamOptions = {}): ResidualStream {
  const wanted = Array.from({ length: model.layers }, (_, i) => [
    [`${i}_pre`, `blocks.${i}.hook_resid_pre`],
    ...(inclMid ? [[`${i}_mid`, `blocks.${i}.hook_resid_mid`]] : []),
  ]).flat() as [string, string][];
  if (model.layers === 0)
    throw new TritlensError("E_MODE", "the model has no blocks", { expected: "a transformer's sites", found: `${model.siteNames.length} others` });
  const lacks = wanted.find(([, site]) => !model.siteNames.includes(site));
  if (lacks)
    throw new TritlensError("E_MODE", `the model has no ${lacks[1]}`, { expected: "blocks with an MLP after attention", found: "inclMid: true" });
  wanted.push(["final_post", `blocks.${model.layers - 1}.hook_resid_post`]);
  const names = wanted.map(([, site]) => site);
  const { data, batch, pos } = toTokenRows(tokens);
  let stack = zeros([0]);
  for (const part of exampleParts(model, tokens, names, hooks ? { hooks } : {})) {
    const width = (part.cache.get(names[0] as string).shape[2] as number) * pos;
    if (part.from === 0) stack = zeros([names.length, batch, pos, width / pos], ["layer", "batch", "pos", "d_model"]);
    for (const [l, name] of names.entries()) stack.data.set(part.cache.get(name).data, (l * batch + part.from) * width);
  }
  return { stack, labels: wanted.map(([label]) => label), tokens: Tensor.from(data.slice(), [batch, pos], ["batch", "pos"]) };
}

/**
 * What the model would say after every layer: the residual stream through the final norm and the unembedding. The last layer's line is the model's own answer. Early layers
 * often do not speak the last layer's language; a tuned lens translates them (see {@link trainTunedLens}). The logit lens (nostalgebraist 2020).
 *
 * @throws E_MODE for a model without blocks, configuration or (with `inclMid`) resid_mid; E_RANGE, E_NONFINITE, E_ABORTED as {@link readLens}; and what `runWithCache` throws.
 * @example
 * ```ts
 * const lens = await logitLens(model, [[1, 5, 2, 1, 5]], { track: 2 });
 * console.log(lens);                                     // most likely token of each layer and position
 * lens.ranks.slice("batch", 0).slice("pos", -1);         // [layer, tracked]: when does 2 come to the top?
 * ```
 */
export async function logitLens(model: Model, tokens: Tokens, options: LensOptions & ResidualStreamOptions = {}): Promise<LensReading> {
  return readLens(model, residualStream(model, tokens, options), options, "logit lens");
}
