/** Activation patching: clean activations are put into the corrupted run, one place at a time, and a metric says how much each restores. */
import {
  type ActivationCache,
  axisOf,
  type Box,
  type Edit,
  getActName,
  type Model,
  Tensor,
  type Tokens,
  TritlensError,
  toTokenRows,
  unknownName,
  type Variant,
} from "tritlens";
import { ActivationPatch, type MetricLike, measureVariants, positionLabels, type SweepRunOptions, toMetric } from "tritlens/interp";

/** The edit of one patch. `index` holds the values of the axes; `clean` is the whole clean activation of the layer. */
export type PatchSetter = (index: Readonly<Record<string, number>>, clean: Tensor) => Edit;

/** Options of the named patching functions. */
export interface PatchOptions extends SweepRunOptions {
  /** Names of the positions in pictures; the tokens' texts where the model has a tokenizer and there is one row, else numbers. */
  readonly posLabels?: readonly string[];
}

/** Which activations are patched, and over which indices. */
export interface PatchPlace {
  /** TransformerLens's short name (`resid_pre`, `z`, `pattern`), or the full name of one activation. */
  readonly activation: string;
  /**
   * Axes of the result: `layer` and axes of the activation (`pos`, `head`, `d_mlp`, `query`, `key`; `head_index`, `dest_pos` and `src_pos` are TransformerLens's names for
   * `head`, `query` and `key`). Axes that are not named are patched whole.
   */
  readonly axes: readonly string[];
  /** Patch these indices only, one number an axis; the result is then flat, [patch]. */
  readonly indices?: readonly (readonly number[])[];
  /** What a patch does; puts the clean values into the box of the index when left out. */
  readonly setter?: PatchSetter;
}

/** Options of {@link genericActivationPatch}. */
export interface GenericPatchOptions extends PatchOptions, PatchPlace {}

const AXIS_NAMES: ReadonlyMap<string, string> = new Map([
  ["head_index", "head"],
  ["dest_pos", "query"],
  ["src_pos", "key"],
]);
/** What a model has to have for activations that only some have. */
const PARTS: ReadonlyMap<string, string> = new Map([
  ["resid_mid", "an MLP behind attention"],
  ["mlp_out", "an MLP"],
]);

/**
 * Runs the corrupted tokens once for every index with the clean activation put in there, and measures the logits (TransformerLens's `generic_activation_patch`).
 *
 * An effect says that the activation carries the difference between both prompts, not that it does so alone: when another part does the same, patching either one shows
 * little. Corrupt by swapping tokens rather than with noise (Zhang and Nanda 2023, arXiv 2309.16042).
 *
 * @param corruptedTokens - [batch, pos], as many rows and positions as the clean run had.
 * @param cleanCache - Activations of the clean run; the patched ones must be in it.
 * @param metric - What is measured of each run: a `Metric` that says what it reads makes the sweep much cheaper than a function.
 * @returns One number an index, with the axes in the order asked for. Grouped keys and values have as many heads as the model has of them.
 * @throws E_MODE for an activation that this model lacks (`mlp_out` without MLPs), E_NAME for an unknown activation or axis, E_SHAPE when the clean and the corrupted run
 * differ in size, E_RANGE for an index outside of its axis, E_ABORTED; what the metric throws, and E_NONFINITE, E_SHAPE for what it returns.
 * @example
 * ```ts
 * const patched = await genericActivationPatch(model, corrupt, cache, logitDiff(a, b), { activation: "mlp_out", axes: ["layer"] });
 * ```
 */
export async function genericActivationPatch(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  { activation, axes, indices, setter, ...options }: GenericPatchOptions,
): Promise<ActivationPatch> {
  const place = { activation, axes, ...(indices ? { indices } : {}), ...(setter ? { setter } : {}) };
  const [patched] = await patchPlaces(model, corruptedTokens, cleanCache, metric, [place], options);
  return patched as ActivationPatch;
}

/** Several patches of the same two runs in one sweep, so that what they share is computed once. Same arguments and errors as {@link genericActivationPatch}. */
export async function patchPlaces(
  model: Model,
  corruptedTokens: Tokens,
  cleanCache: ActivationCache,
  metric: MetricLike,
  places: readonly PatchPlace[],
  { posLabels, ...options }: PatchOptions = {},
): Promise<ActivationPatch[]> {
  const rows = toTokenRows(corruptedTokens);
  for (const { axes } of places)
    if (!Array.isArray(axes))
      throw new TritlensError("E_SHAPE", "a patch needs axes to go along", { expected: 'a list such as ["layer", "pos"]', found: typeof axes });
  if (typeof cleanCache?.get !== "function")
    throw new TritlensError("E_SHAPE", "patches come from a cache", { expected: "an ActivationCache", found: typeof cleanCache });
  const plans = places.map((place) => plan(model, rows, cleanCache, place));
  const variants = plans.flatMap((p) => p.variants);
  const { plain, values, complete, done } = await measureVariants(model, corruptedTokens, variants, metric, options);
  const labels = positionLabels(model, corruptedTokens, posLabels);
  let from = 0;
  return plans.map(({ activation, axes, indexAxes, shape, slots, indices, size, variants: own }) => {
    // A patch that was left out changes nothing.
    const all = new Float32Array(size).fill(plain);
    for (const [i, slot] of slots.entries()) all[slot] = values[from + i] as number;
    const doneHere = Math.max(0, Math.min(done - from, own.length));
    from += own.length;
    return new ActivationPatch({
      activation,
      values: Tensor.from(all, shape, axes),
      corrupt: plain,
      metric: toMetric(metric).name,
      posLabels: labels,
      complete: complete || doneHere === own.length,
      ...(indices ? { indices, indexAxes } : {}),
    });
  });
}

interface PatchPlan {
  readonly activation: string;
  readonly axes: readonly string[];
  readonly indexAxes: readonly string[];
  readonly shape: readonly number[];
  readonly size: number;
  readonly variants: Variant[];
  /** Where the number of each variant goes. */
  readonly slots: number[];
  readonly indices?: readonly (readonly number[])[];
}

function plan(model: Model, rows: { batch: number; pos: number }, cache: ActivationCache, place: PatchPlace): PatchPlan {
  const { activation, axes, indices, setter } = place;
  const clean = cleanOf(model, rows, cache, place);
  const extents = axes.map((axis) => (axis === "layer" ? model.layers : extentOf(clean(0), axis)));
  for (const index of indices ?? []) requireIndex(index, axes, extents);
  const size = indices?.length ?? extents.reduce((n, d) => n * d, 1);
  const causal = model.config?.attentionDir === "causal" && setter === undefined;
  const [variants, slots]: [Variant[], number[]] = [[], []];
  for (let slot = 0; slot < size; slot++) {
    const index = indexOf(indices?.[slot] ?? unravel(slot, extents), axes);
    if (causal && isMasked(index)) continue;
    const { name, value } = clean(index.layer ?? 0);
    variants.push({ edits: [[name, setter ? setter(index, value) : { kind: "patch", value, at: boxOf(index) }]] });
    slots.push(slot);
  }
  const [shape, names] = indices ? [[size], ["patch"]] : [extents, axes];
  return { activation, axes: names, indexAxes: axes, shape, size, variants, slots, ...(indices ? { indices } : {}) };
}

/** The clean activation of a layer: one tensor for all patches of the site, which the sweep then sends once. */
function cleanOf(
  model: Model,
  { batch, pos }: { batch: number; pos: number },
  cache: ActivationCache,
  { activation, axes }: PatchPlace,
): (layer: number) => { name: string; value: Tensor } {
  const known = new Map<number, { name: string; value: Tensor }>();
  return (layer) => {
    const found = known.get(layer);
    if (found) return found;
    const name = axes.includes("layer") ? getActName(activation, layer) : getActName(activation);
    if (axes.includes("layer") && name === activation)
      throw new TritlensError("E_NAME", "the full name of one activation has no layers", {
        expected: "a short name such as resid_pre",
        found: activation,
      });
    requirePart(model, activation, name);
    const value = cache.get(name);
    const wrong = value.axes.some((axis, i) => (axis === "batch" ? value.shape[i] !== batch : POSITIONS.has(axis) && value.shape[i] !== pos));
    if (wrong)
      throw new TritlensError("E_SHAPE", `the clean activation "${name}" does not fit the corrupted tokens`, {
        expected: `${batch} rows of ${pos} positions`,
        found: value.axes.map((axis, i) => `${axis} ${value.shape[i]}`).join(", "),
      });
    known.set(layer, { name, value });
    return { name, value };
  };
}

const POSITIONS: ReadonlySet<string> = new Set(["pos", "query", "key"]);

function requirePart(model: Model, activation: string, name: string): void {
  const part = PARTS.get(activation);
  if (part === undefined || model.hookNames.includes(name)) return;
  const { nearest } = unknownName("activation", name, model.hookNames);
  throw new TritlensError("E_MODE", `"${activation}" cannot be patched in this model: it has no "${name}"`, {
    expected: `a model with ${part}`,
    found: `one without`,
    ...(nearest ? { nearest } : {}),
  });
}

function extentOf({ value }: { value: Tensor }, axis: string): number {
  return value.shape[axisOf(value, AXIS_NAMES.get(axis) ?? axis)] as number;
}

function requireIndex(index: readonly number[], axes: readonly string[], extents: readonly number[]): void {
  if (index.length !== axes.length)
    throw new TritlensError("E_SHAPE", "an index does not fit the axes", { expected: axes.join(", "), found: `[${index.join(", ")}]` });
  const k = index.findIndex((i, axis) => !Number.isInteger(i) || i < 0 || i >= (extents[axis] as number));
  if (k < 0) return;
  throw new TritlensError("E_RANGE", `an index is outside of axis "${axes[k]}"`, {
    expected: `an integer in [0, ${extents[k]})`,
    found: String(index[k]),
  });
}

function indexOf(index: readonly number[], axes: readonly string[]): Record<string, number> {
  return Object.fromEntries(axes.map((axis, i) => [axis, index[i] as number]));
}

function unravel(slot: number, extents: readonly number[]): number[] {
  const out: number[] = [];
  let rest = slot;
  for (const extent of extents.toReversed()) {
    out.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return out;
}

function boxOf(index: Readonly<Record<string, number>>): Box {
  return Object.fromEntries(
    Object.entries(index)
      .filter(([axis]) => axis !== "layer")
      .map(([axis, i]) => [AXIS_NAMES.get(axis) ?? axis, i]),
  );
}

/** Keys after the query: the causal mask made them 0 in both runs, so that patching them changes nothing. */
function isMasked(index: Readonly<Record<string, number>>): boolean {
  const [query, key] = [index.dest_pos ?? index.query, index.src_pos ?? index.key];
  return query !== undefined && key !== undefined && key > query;
}
