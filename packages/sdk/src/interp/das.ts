/** Distributed alignment search (Geiger et al. 2023, arXiv 2303.02536): a learned rotated subspace that carries a variable. */
import { type Core, type Hook, type Model, Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import {
  Adam,
  exchangeSubspace,
  orthonormalBasis,
  permutation,
  placeOfSite,
  positionsOf,
  requireControls,
  rowsAtPlace,
  siteActivations,
  type VectorPlace,
  Work,
  type WorkOptions,
} from "tritlens/interp";
import { type BarChart, Result } from "tritlens/plots";

/** Pairs of runs, and what the base run is to say once it has the source's value of the variable. */
export interface DasData {
  /** Runs that are changed, [example, pos]. */
  readonly base: Tokens;
  /** Runs that values are taken from, [example, pos]. */
  readonly source: Tokens;
  /** The class that a causal model gives for each pair, at the last position. */
  readonly targets: ArrayLike<number>;
}

/** Options of {@link fitDas}. */
export interface DasOptions extends WorkOptions {
  /** The site with the subspace. */
  readonly site: string;
  /** Dimensions of the subspace (1). */
  readonly dims?: number;
  /** Position in base and source, one or one an example (-1: the last one). */
  readonly pos?: number | readonly number[];
  /** Head, at a site of heads; all of them when left out. */
  readonly head?: number;
  /** Steps (200). */
  readonly steps?: number;
  /** How far the subspace turns in a step at first, in radians or so (0.1); it falls to 0. */
  readonly lr?: number;
  /** Pairs a step (64). */
  readonly batchSize?: number;
  /** Share of the pairs kept aside for the accuracies (0.25). */
  readonly holdout?: number;
  /** Random subspaces of the same size to compare with (5). */
  readonly controls?: number;
  /** Seed of the first subspace, the split and the batches (0). */
  readonly seed?: number;
}

/** Shares of pairs kept aside for which the run gives the target. */
export interface DasAccuracy {
  /** With the learned subspace exchanged. */
  readonly learned: number;
  /** With random subspaces of the same size exchanged. */
  readonly random: Float64Array;
  /** With the whole activation exchanged: the most that any subspace of the site can mean. */
  readonly whole: number;
  /** With nothing exchanged. */
  readonly none: number;
}

/** A subspace of a site and how well exchanging it does what exchanging a variable should. */
export class Das extends Result {
  /** The site. */
  readonly site: string;
  /** Orthonormal rows, [dim, feature]. */
  readonly basis: Tensor;
  /** Interchange accuracies. */
  readonly accuracy: DasAccuracy;
  /** Mean cross-entropy of each step, [step]. */
  readonly losses: Float64Array;
  readonly #place: VectorPlace;

  constructor(place: VectorPlace, basis: Tensor, accuracy: DasAccuracy, losses: Float64Array) {
    super();
    this.site = place.site;
    this.basis = basis;
    this.accuracy = accuracy;
    this.losses = losses;
    this.#place = place;
  }

  /**
   * A hook that gives a run the part that these activations have in the subspace.
   *
   * @param source - Activations of the other runs, [example, feature], of {@link siteActivations} at the same place.
   * @param pos - Position in each example of the run (where it was fitted, when left out).
   */
  interchange(source: Tensor, pos: number | readonly number[] = this.#place.pos): Hook {
    return exchangeSubspace({ ...this.#place, pos }, this.basis, source.data);
  }

  override chart(): BarChart {
    const { none, random, learned, whole } = this.accuracy;
    const mean = random.reduce((sum, x) => sum + x, 0) / random.length;
    const bars: [string, number][] = [["nothing", none], ...(random.length > 0 ? [["random", mean] as [string, number]] : []), ["learned", learned]];
    return {
      kind: "bars",
      title: `Interchange accuracy at ${this.site}, ${this.basis.shape[0]} dimensions`,
      caption: "Share of pairs kept aside whose answer becomes the causal model's, by what is exchanged.",
      x: { name: "exchanged", labels: [...bars.map(([label]) => label), "everything"] },
      series: [{ name: "accuracy", values: [...bars.map(([, value]) => value), whole] }],
      unit: "accuracy",
    };
  }
}

/** Pairs of one batch. */
interface Pairs {
  readonly tokens: { readonly data: Int32Array; readonly shape: readonly [number, number] };
  /** [example, feature]. */
  readonly source: Float32Array;
  readonly targets: Int32Array;
  readonly place: VectorPlace;
}

/**
 * Learns a subspace of a site such that exchanging it between two runs makes the base run answer what a causal model says of the exchanged variable. Gradients go through the
 * model's own backward pass to the site; the basis is kept orthonormal.
 *
 * A subspace that works says that the variable can be moved there, not that the model keeps it nowhere else; compare with `accuracy.random` and `accuracy.whole`. Distributed
 * alignment search (Geiger et al. 2023, arXiv 2303.02536).
 *
 * @throws E_SHAPE for data that do not match, E_RANGE for options and targets, E_NAME and E_MODE for the site, E_NONFINITE, E_ABORTED; and what `runWithCache` throws.
 * @example
 * ```ts
 * const das = await fitDas(model, { base, source, targets }, { site: "blocks.1.hook_resid_post", dims: 2 });
 * console.log(das.accuracy, das.losses.at(-1));
 * ```
 */
export async function fitDas(model: Model, data: DasData, options: DasOptions): Promise<Das> {
  const { site, dims = 1, pos = -1, head, steps = 200, lr = 0.1, batchSize = 64, controls = 5, seed = 0 } = options;
  const all = pairsOf(model, data, { site: placeOfSite(model, site, head).name, head, pos });
  const n = all.targets.length;
  const width = all.source.length / n;
  const kept = Math.round(n * (options.holdout ?? 0.25));
  const count = (what: string, value: number, least: number, most: number): void => {
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new TritlensError("E_RANGE", `wrong ${what}`, { expected: `an integer in [${least}, ${most}]`, found: String(value) });
  };
  count("dims", dims, 1, width);
  count("steps", steps, 0, Number.MAX_SAFE_INTEGER);
  count("batchSize", batchSize, 1, Number.MAX_SAFE_INTEGER);
  count("holdout: pairs kept aside", kept, 1, n - 1);
  if (!(lr > 0 && Number.isFinite(lr))) throw new TritlensError("E_RANGE", "wrong lr", { expected: "a positive number", found: String(lr) });
  requireControls(controls);
  const order = permutation(model.core, n, { seed });
  const [fit, test] = [order.slice(kept), choose(all, order.slice(0, kept))];
  const work = new Work("the alignment search", steps + controls + 3, options);
  let basis = randomBasis(model.core, dims, width, seed, 0);
  const adam = new Adam(dims * width, { lr: lr / Math.sqrt(width) });
  const losses = new Float64Array(steps);
  for (let step = 0; step < steps; step++) {
    const batch = permutation(model.core, fit.length, { seed, stream: 1000 + step }).subarray(0, batchSize);
    const { loss, grad } = gradient(
      model,
      choose(
        all,
        batch.map((i) => fit[i] as number),
      ),
      basis,
    );
    losses[step] = loss;
    const next = basis.data.slice();
    adam.update(next, grad, 1 - step / steps);
    basis = orthonormalBasis(Tensor.from(next, basis.shape, basis.axes));
    await work.done();
  }
  const score = async (b: Tensor | "whole" | undefined): Promise<number> => {
    const found = share(model, test, b);
    await work.done();
    return found;
  };
  const learned = await score(basis);
  const random = new Float64Array(controls);
  for (let c = 0; c < controls; c++) random[c] = await score(randomBasis(model.core, dims, width, seed, 1 + c));
  const whole = await score("whole");
  return new Das(all.place, basis, { learned, random, whole, none: await score(undefined) }, losses);
}

function pairsOf(model: Model, data: DasData, place: VectorPlace): Pairs {
  const base = toTokenRows(data.base);
  const source = toTokenRows(data.source);
  const classes = model.config?.dVocabOut ?? Number.POSITIVE_INFINITY;
  if (source.batch !== base.batch || data.targets.length !== base.batch)
    throw new TritlensError("E_SHAPE", "pairs do not match", {
      expected: `${base.batch} sources and targets`,
      found: `${source.batch} sources, ${data.targets.length} targets`,
    });
  const wrong = Array.from(data.targets).find((t) => !Number.isInteger(t) || t < 0 || t >= classes);
  if (wrong !== undefined)
    throw new TritlensError("E_RANGE", "a target is no class", { expected: `an integer in [0, ${classes})`, found: String(wrong) });
  positionsOf(place.pos, base.batch, base.pos);
  const { head, pos } = place;
  return {
    tokens: { data: base.data, shape: [base.batch, base.pos] },
    source: siteActivations(model, data.source, place.site, { pos, ...(head === undefined ? {} : { head }) }).data,
    targets: Int32Array.from(data.targets),
    place,
  };
}

/** Some of the pairs. */
function choose({ tokens, source, targets, place }: Pairs, chosen: Int32Array): Pairs {
  const [, length] = tokens.shape;
  const width = source.length / targets.length;
  const data = new Int32Array(chosen.length * length);
  const rows = new Float32Array(chosen.length * width);
  for (const [i, e] of chosen.entries()) {
    data.set(tokens.data.subarray(e * length, (e + 1) * length), i * length);
    rows.set(source.subarray(e * width, (e + 1) * width), i * width);
  }
  const { pos } = place;
  const at = typeof pos === "number" ? pos : Array.from(chosen, (e) => pos[e] as number);
  return {
    tokens: { data, shape: [chosen.length, length] },
    source: rows,
    targets: chosen.map((e) => targets[e] as number),
    place: { ...place, pos: at },
  };
}

/** Loss of the exchanged runs, and its gradient with respect to the basis, across its own span removed. */
function gradient(model: Model, pairs: Pairs, basis: Tensor): { loss: number; grad: Float32Array } {
  const { place, tokens, source, targets } = pairs;
  const [dims, d] = basis.shape as unknown as [number, number];
  const [batch, length] = tokens.shape;
  const seen: Float32Array[] = [];
  const look: Hook = [place.site, (x) => void seen.push(x.data.slice())];
  const perPosition = model.config?.readout !== "last";
  const wanted = new Int32Array(batch * (perPosition ? length : 1)).fill(-1);
  for (const [b, t] of targets.entries()) wanted[perPosition ? (b + 1) * length - 1 : b] = t;
  const hooks = [look, exchangeSubspace(place, basis, source)];
  const { cache, loss = Number.NaN } = model.runWithCache(tokens, { names: place.site, hooks, inclGrad: true, loss: { targets: wanted } });
  if (!Number.isFinite(loss)) throw new TritlensError("E_NONFINITE", "the loss is not finite", { expected: "a finite number", found: String(loss) });
  const before = seen[0] as Float32Array;
  const slope = cache.get(`${place.site}_grad`);
  const grad = new Float64Array(dims * d);
  for (const [b, { from, to }] of rowsAtPlace(slope, place).entries()) {
    const g = slope.data.subarray(from, to);
    const gap = g.map((_, j) => (source[b * d + j] as number) - (before[from + j] as number));
    for (let k = 0; k < dims; k++) {
      const r = basis.data.subarray(k * d, (k + 1) * d);
      const [alongGap, alongG] = [dot(r, gap), dot(r, g)];
      for (let j = 0; j < d; j++) grad[k * d + j] = (grad[k * d + j] as number) + alongGap * (g[j] as number) + alongG * (gap[j] as number);
    }
  }
  return { loss, grad: acrossSpan(Float32Array.from(grad), basis) };
}

/** Rows less their part in the span of the basis: turning within it changes nothing. */
function acrossSpan(rows: Float32Array, basis: Tensor): Float32Array {
  const [dims, d] = basis.shape as unknown as [number, number];
  const out = rows.slice();
  for (let k = 0; k < dims; k++)
    for (let m = 0; m < dims; m++) {
      const r = basis.data.subarray(m * d, (m + 1) * d);
      const share = dot(rows.subarray(k * d, (k + 1) * d), r);
      for (let j = 0; j < d; j++) out[k * d + j] = (out[k * d + j] as number) - share * (r[j] as number);
    }
  return out;
}

/** Share of pairs whose most likely class at the last position is the target. */
function share(model: Model, { place, tokens, source, targets }: Pairs, basis: Tensor | "whole" | undefined): number {
  const logits = model.runWithHooks(tokens, { hooks: basis ? [exchangeSubspace(place, basis, source)] : [] });
  const last = logits.shape.length === 3 ? logits.slice("pos", -1) : logits;
  const classes = last.shape[1] as number;
  const right = targets.filter((t, b) => {
    const row = last.data.subarray(b * classes, (b + 1) * classes);
    return row.every((z, c) => c === t || z < (row[t] as number));
  });
  return right.length / targets.length;
}

function randomBasis(core: Core, dims: number, width: number, seed: number, stream: number): Tensor {
  const rows = new Float32Array(dims * width);
  core.random(seed, 500 + stream, 1, rows);
  return orthonormalBasis(Tensor.from(rows, [dims, width], ["dim", "feature"]));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += (a[j] as number) * (b[j] as number);
  return sum;
}
