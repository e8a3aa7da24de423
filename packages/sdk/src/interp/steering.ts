/** Steering vectors: directions between two kinds of text, and adding them while a model runs or generates. */
import { type Core, type Model, Tensor, type Tokens, TritlensError, type ValueEdit } from "tritlens";
import { permutation, placeOfSite, requireControls, type SitePart, siteActivations } from "tritlens/interp";
import { Result, type ScatterChart } from "tritlens/plots";

/** Options of {@link steeringVector}. */
export interface SteeringOptions extends SitePart {
  /** Where the activations are taken, and where the vector is added later: `blocks.3.hook_resid_post`. */
  readonly site: string;
  /**
   * `mean-difference` (the default): mean of the positive texts less that of the negative ones, which need not be as many. `contrastive`: texts come in pairs, and the vector
   * is the mean of the differences of pairs (Rimsky et al. 2024, arXiv 2312.06681). `principal`: the first principal direction of the pairs' differences, scaled to their
   * mean share along it (Zou et al. 2023, arXiv 2310.01405).
   */
  readonly method?: "mean-difference" | "contrastive" | "principal";
  /** How many shuffles the length is compared with (100): labels are shuffled, or pairs turned around. */
  readonly controls?: number;
  /** Seed of the shuffles (0). */
  readonly seed?: number;
}

/** A direction at a site. */
export class SteeringVector extends Result {
  /** The site. */
  readonly site: string;
  /** The head, when it is a head's. */
  readonly head: number | undefined;
  /** The vector, [feature]: one entry for each of d_model in the residual stream, all heads side by side at a site of heads. */
  readonly vector: Tensor;
  /** Its length. */
  readonly norm: number;
  /** Lengths with shuffled labels, or pairs turned around at random. */
  readonly controlNorms: Float64Array;
  /** (1 + shuffles that are at least as long) / (1 + shuffles). */
  readonly p: number;
  /** Activations of the positive examples along the unit vector, [example]. */
  readonly positive: Tensor;
  /** The same of the negative ones. */
  readonly negative: Tensor;

  constructor(
    place: { readonly site: string; readonly head: number | undefined },
    vector: Float32Array,
    controlNorms: Float64Array,
    sides: readonly [positive: Tensor, negative: Tensor],
  ) {
    super();
    this.site = place.site;
    this.head = place.head;
    this.vector = Tensor.from(vector, [vector.length], ["feature"]);
    this.norm = lengthOf(vector);
    this.controlNorms = controlNorms;
    this.p = (1 + controlNorms.filter((n) => n >= this.norm).length) / (1 + controlNorms.length);
    const along = (x: Tensor): Tensor => {
      const n = x.shape[0] as number;
      return Tensor.from(
        Float32Array.from({ length: n }, (_, e) => dot(x.data.subarray(e * vector.length, (e + 1) * vector.length), vector) / (this.norm || 1)),
        [n],
        ["example"],
      );
    };
    [this.positive, this.negative] = [along(sides[0]), along(sides[1])];
  }

  /** Both kinds of examples along the vector. */
  override chart(): ScatterChart {
    const points = (group: string, { data }: Tensor) => Array.from(data, (x, y) => ({ x, y, group }));
    return {
      kind: "scatter",
      title: `Steering vector at ${this.site}`,
      caption: `Examples along the vector; its length ${this.norm.toPrecision(3)} has p = ${this.p.toPrecision(2)} among shuffles.`,
      points: [...points("positive", this.positive), ...points("negative", this.negative)],
      xName: "along the vector",
      yName: "example",
    };
  }
}

/**
 * A steering vector between two kinds of texts.
 *
 * A vector whose length shuffles do not reach tells the texts apart; that the model uses it shows only when it is added ({@link steer}) and the output changes. Texts that
 * differ in length or topic as well give a vector of those.
 *
 * @param positive - Texts with what the vector is to stand for, [example, pos].
 * @param negative - Texts without; for pairs, in the order of the positive ones.
 * @returns The vector, [feature], with its controls.
 * @throws E_SHAPE when pairs do not match, E_NAME, E_MODE, E_RANGE as {@link siteActivations}; E_NONFINITE for activations that are no numbers.
 * @example
 * ```ts
 * const happy = steeringVector(model, glad, sad, { site: "blocks.3.hook_resid_post" });
 * for await (const step of model.generate(prompt, { hooks: [steer(happy, { coefficient: 4 })] })) process.stdout.write(step.text);
 * ```
 */
export function steeringVector(model: Model, positive: Tokens, negative: Tokens, options: SteeringOptions): SteeringVector {
  const { site, head, pos = -1, method = "mean-difference", controls = 100, seed = 0 } = options;
  const part = { pos, ...(head === undefined ? {} : { head }) };
  const [a, b] = [siteActivations(model, positive, site, part), siteActivations(model, negative, site, part)];
  if (![...a.data, ...b.data].every(Number.isFinite))
    throw new TritlensError("E_NONFINITE", "activations have to be finite", { expected: "finite numbers", found: "NaN or infinity" });
  if (!["mean-difference", "contrastive", "principal"].includes(method))
    throw new TritlensError("E_MODE", "unknown method", { expected: "mean-difference, contrastive or principal", found: method });
  if (method !== "mean-difference" && a.shape[0] !== b.shape[0])
    throw new TritlensError("E_SHAPE", "pairs do not match", { expected: `${a.shape[0]} negative examples`, found: `${b.shape[0]}` });
  const shuffles = Array.from({ length: requireControls(controls) }, (_, i) => i);
  const place = { site: placeOfSite(model, site, head).name, head };
  if (method === "mean-difference") {
    const norms = shuffles.map((s) => lengthOf(shuffledDifference(model.core, a, b, seed, s)));
    return new SteeringVector(place, meanDifference(a, b), Float64Array.from(norms), [a, b]);
  }
  const differences = a.data.map((x, i) => x - (b.data[i] as number));
  const of = (rows: Float32Array): Float32Array => {
    const mean = meanRow(rows, a.shape[1] as number);
    return method === "contrastive" ? mean : principal(rows, mean);
  };
  const norms = shuffles.map((s) => lengthOf(of(turned(model.core, differences, a.shape[1] as number, seed, s))));
  return new SteeringVector(place, of(differences), Float64Array.from(norms), [a, b]);
}

/**
 * Adds a steering vector: a hook for `generate`, `runWithHooks`, `runWithCache` and (as an edit) sweeps.
 *
 * In a generation it is added at every position, or at those of `pos`, counted from the beginning of the text. In a run that covers several positions name them
 * (`pos: [0, tokens.length]`): an edit's values have the size of its place.
 *
 * @param coefficient - Times the vector (1); negative turns it around.
 * @throws E_RANGE for a coefficient that is not finite or positions that are none.
 */
export function steer(
  vector: SteeringVector,
  { coefficient = 1, pos }: { readonly coefficient?: number; readonly pos?: number | readonly [lo: number, hi: number] } = {},
): readonly [site: string, edit: ValueEdit] {
  if (!Number.isFinite(coefficient))
    throw new TritlensError("E_RANGE", "wrong coefficient", { expected: "a finite number", found: String(coefficient) });
  const count = pos === undefined || typeof pos === "number" ? 1 : pos[1] - pos[0];
  if (!Number.isInteger(count) || count < 1) throw new TritlensError("E_RANGE", "wrong positions", { expected: "lo < hi", found: String(pos) });
  const one = vector.vector.data.map((x) => coefficient * x);
  const value = new Float32Array(count * one.length);
  for (let i = 0; i < count; i++) value.set(one, i * one.length);
  const at = { ...(pos === undefined ? {} : { pos }), ...(vector.head === undefined ? {} : { head: vector.head }) };
  return [vector.site, { kind: "add", value, at }];
}

function meanDifference(a: Tensor, b: Tensor): Float32Array {
  const [x, y] = [meanRow(a.data, a.shape[1] as number), meanRow(b.data, a.shape[1] as number)];
  return x.map((value, j) => value - (y[j] as number));
}

function shuffledDifference(core: Core, a: Tensor, b: Tensor, seed: number, stream: number): Float32Array {
  const [n, d] = a.shape as unknown as [number, number];
  const order = permutation(core, n + (b.shape[0] as number), { seed, stream });
  const side = (members: Int32Array): Tensor => {
    const out = new Float32Array(members.length * d);
    for (const [i, e] of members.entries())
      out.set(e < n ? a.data.subarray(e * d, (e + 1) * d) : b.data.subarray((e - n) * d, (e - n + 1) * d), i * d);
    return Tensor.from(out, [members.length, d], a.axes);
  };
  return meanDifference(side(order.subarray(0, n)), side(order.subarray(n)));
}

/** Pairs turned around at random. */
function turned(core: Core, differences: Float32Array, d: number, seed: number, stream: number): Float32Array {
  const coins = new Float32Array(differences.length / d);
  core.random(seed, stream, 0, coins);
  return differences.map((x, i) => ((coins[Math.floor(i / d)] as number) < 0.5 ? -x : x));
}

function meanRow(rows: Float32Array, d: number): Float32Array {
  const sums = new Float64Array(d);
  for (let i = 0; i < rows.length; i++) sums[i % d] = (sums[i % d] as number) + (rows[i] as number);
  return Float32Array.from(sums, (x) => (x * d) / rows.length);
}

/** First right singular vector of rows by power iteration from their mean, times the mean share of a row along it. */
function principal(rows: Float32Array, mean: Float32Array): Float32Array {
  const d = mean.length;
  // The longest row is a start where the mean is 0; without either there is no direction.
  let v = unit(lengthOf(mean) > 0 ? mean : longest(rows, d));
  for (let step = 0; step < 500; step++) {
    const next = new Float32Array(d);
    for (let at = 0; at < rows.length; at += d) {
      const row = rows.subarray(at, at + d);
      const share = dot(row, v);
      for (let j = 0; j < d; j++) next[j] = (next[j] as number) + share * (row[j] as number);
    }
    const then = v;
    v = unit(next);
    if (1 - Math.abs(dot(v, then)) < 1e-12) break;
  }
  const share = dot(mean, v);
  return v.map((x) => x * share);
}

function longest(rows: Float32Array, d: number): Float32Array {
  let best = rows.subarray(0, d);
  for (let at = d; at < rows.length; at += d) if (lengthOf(rows.subarray(at, at + d)) > lengthOf(best)) best = rows.subarray(at, at + d);
  return best;
}

function unit(v: Float32Array): Float32Array {
  const length = lengthOf(v);
  return length > 0 ? v.map((x) => x / length) : v;
}

function lengthOf(v: Float32Array): number {
  return Math.sqrt(dot(v, v));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let j = 0; j < b.length; j++) sum += (a[j] as number) * (b[j] as number);
  return sum;
}
