/** Interchange interventions (Geiger et al. 2021, arXiv 2106.02997): does a part of the model hold what a variable of a causal model holds? */
import { type ActivationCache, type Edit, type Model, type Tensor, type Tokens, TritlensError } from "tritlens";
import { cutBox, Interchange, type MetricLike, measureVariants, type Place, placeLabel, type SweepRunOptions, toMetric } from "tritlens/interp";

/** Part of an activation that is taken from another run. */
export interface InterchangedPlace extends Place {
  /** Activations of the source run. */
  readonly from: ActivationCache;
  /** The part of the source's activation that is taken, when it is another one than `at`; of the same extent. */
  readonly fromAt?: Place["at"];
}

/** Places that stand together for a variable, each from a source run of its own where there are several variables. */
export interface Alignment {
  /** Name in the result; that of the places when left out. */
  readonly label?: string;
  /** What is taken from source runs, all of it in one run. */
  readonly places: readonly InterchangedPlace[];
}

/**
 * Runs the base input once for every alignment with its places taken from source runs, and measures the logits. With `answerAccuracy(labels)` as the metric, where `labels` is
 * what the causal model says after the same interchange, the value is the interchange intervention accuracy. Interchange interventions (Geiger et al. 2021, arXiv 2106.02997).
 *
 * Whole activations are exchanged; for a variable that lies in a subspace of one see {@link fitDas}.
 *
 * @param base - [batch, pos]; row b of a source run goes into row b of the base run.
 * @returns `values` [alignment].
 * @throws E_SHAPE for an alignment without places and for places whose extents differ, E_NAME, E_RANGE for places that do not exist, E_ABORTED; what the metric throws, and
 * E_NONFINITE, E_SHAPE for what it returns.
 * @example
 * ```ts
 * const { cache } = model.runWithCache(sources);
 * const alignments = [0, 1].map((layer) => ({ places: [{ name: `blocks.${layer}.hook_resid_post`, at: { pos: 2 }, from: cache }] }));
 * const { values } = await interchange(model, bases, alignments, answerAccuracy(counterfactuals));
 * ```
 */
export async function interchange(
  model: Model,
  base: Tokens,
  alignments: readonly Alignment[],
  metric: MetricLike,
  options: SweepRunOptions = {},
): Promise<Interchange> {
  const variants = alignments.map(({ places }, i) => {
    if (places.length === 0) throw new TritlensError("E_SHAPE", `alignment ${i} has no places`, { expected: "at least one", found: "none" });
    return { edits: places.map((place): [string, Edit] => [place.name, editOf(place)]) };
  });
  const { plain, values, complete } = await measureVariants(model, base, variants, metric, options);
  const labels = alignments.map(({ label, places }) => label ?? places.map(placeLabel).join(" + "));
  return new Interchange({ values, labels, base: plain, metric: toMetric(metric).name, complete });
}

function editOf({ name, at, from, fromAt }: InterchangedPlace): Edit {
  const value = from.get(name);
  const place = at ? { at } : {};
  return fromAt === undefined
    ? { kind: "patch", value, ...place }
    : { kind: "set", value: requireExtent(name, cutBox(value, fromAt), cutBox(value, at)), ...place };
}

function requireExtent(name: string, taken: Tensor, replaced: Tensor): Tensor {
  if (taken.shape.every((d, i) => d === replaced.shape[i])) return taken;
  throw new TritlensError("E_SHAPE", `what is taken from "${name}" does not fit where it goes`, {
    expected: `[${replaced.shape.join(", ")}]`,
    found: `[${taken.shape.join(", ")}]`,
  });
}
