/** Which heads, layers or rows of a low-bit model share codes: sign agreement, support and Hamming overlap by popcount. */
import { type Model, Tensor } from "tritlens";
import { type CodeRowsOptions, codeRows, type TritCounts, TritPlanes } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link tritOverlap}. */
export interface TritOverlapOptions extends CodeRowsOptions {
  /** What to compare with; the same codes when left out. Both need as many codes a unit: `attn.W_Q` heads and `attn.W_K` heads, `mlp.W_in` rows and `mlp.W_out` columns. */
  readonly with?: CodeRowsOptions;
}

/** A number for each pair: see the fields of {@link TritOverlap}. */
export type TritMeasure = "agreement" | "support" | "hamming" | "cosine" | "z";

/** How much two things of a comparison are alike. */
export interface TritPair {
  /** Name of the one. */
  readonly a: string;
  /** Name of the other. */
  readonly b: string;
  /** As in {@link TritOverlap.agreement}. */
  readonly agreement: number;
  /** As in {@link TritOverlap.support}. */
  readonly support: number;
  /** As in {@link TritOverlap.z}. */
  readonly z: number;
}

/** Overlap of codes for every pair of units, each measure [unit, other]. */
export class TritOverlap extends Result {
  /** Names of the units. */
  readonly labels: readonly string[];
  /** Names of those they are compared with. */
  readonly others: readonly string[];
  /** The counts that everything below follows from. */
  readonly counts: TritCounts;
  /** Share of equal signs among the places where both are not 0; one half by chance, NaN where there is no such place. */
  readonly agreement: Tensor;
  /** Places where both are not 0, as a share of those where one is (Jaccard). */
  readonly support: Tensor;
  /** Number of codes that differ. */
  readonly hamming: Tensor;
  /** Inner product of the codes, an exact integer. */
  readonly dot: Tensor<Int32Array>;
  /** The inner product over the lengths of both, from -1 to 1. */
  readonly cosine: Tensor;
  /**
   * Standard deviations of the inner product from what independent signs on these supports would give (dot / sqrt of shared places). Not a test of one pair picked from many.
   */
  readonly z: Tensor;

  constructor(counts: TritCounts, labels: readonly string[], others: readonly string[]) {
    super();
    [this.labels, this.others, this.counts] = [labels, others, counts];
    const { agree, disagree, nonzero, otherNonzero, others: m } = counts;
    const shape = [counts.rows, m];
    const axes = ["unit", "other"];
    const each = (f: (both: number, dot: number, a: number, b: number, i: number) => number): Tensor => {
      const out = new Float32Array(agree.length);
      for (let i = 0; i < out.length; i++) out[i] = f(agree[i] + disagree[i], agree[i] - disagree[i], nonzero[(i / m) | 0], otherNonzero[i % m], i);
      return Tensor.from(out, shape, axes);
    };
    this.agreement = each((both, _dot, _a, _b, i) => agree[i] / both);
    this.support = each((both, _, a, b) => (a + b === 0 ? 0 : both / (a + b - both)));
    this.hamming = each((both, _dot, a, b, i) => a + b - 2 * both + disagree[i]);
    this.cosine = each((_, dot, a, b) => (a * b === 0 ? 0 : dot / Math.sqrt(a * b)));
    this.z = each((both, dot) => (both === 0 ? 0 : dot / Math.sqrt(both)));
    this.dot = Tensor.from(
      agree.map((same, i) => same - disagree[i]),
      shape,
      axes,
    );
  }

  /** The pairs of different units that are least like chance. */
  top(count = 10): readonly TritPair[] {
    const m = this.others.length;
    const same = this.labels === this.others;
    return Array.from(this.z.data.keys())
      .filter((i) => !same || i % m > Math.floor(i / m))
      .sort((i, j) => Math.abs(this.z.data[j]) - Math.abs(this.z.data[i]))
      .slice(0, count)
      .map((i) => ({
        ...{ a: this.labels[Math.floor(i / m)], b: this.others[i % m] },
        ...{ agreement: this.agreement.data[i], support: this.support.data[i], z: this.z.data[i] },
      }));
  }

  /** A heat map of one measure. */
  heatmap(measure: TritMeasure): Chart {
    const ranges: Partial<Record<TritMeasure, readonly [number, number]>> = { agreement: [0, 1], support: [0, 1], cosine: [-1, 1] };
    const range = ranges[measure];
    return {
      kind: "heatmap",
      title: `Codes: ${TITLES[measure]}`,
      values: this[measure].data,
      y: { name: "unit", labels: this.labels },
      x: { name: "other", labels: this.others },
      scale: measure === "cosine" || measure === "z" ? "diverging" : "sequential",
      ...(range ? { range } : {}),
      unit: TITLES[measure],
    };
  }

  override chart(): Chart {
    return this.heatmap("agreement");
  }
}

const TITLES: Readonly<Record<TritMeasure, string>> = {
  agreement: "share of equal signs",
  support: "overlap of what is not 0",
  hamming: "number that differ",
  cosine: "cosine",
  z: "standard deviations from chance",
};

/**
 * Compares codes of a binary or ternary model by popcount, without any float: which heads use the same inputs, with the same signs?
 *
 * Heads and layers are compared place by place. A head whose rows stand in another order does the same and shows no overlap: compare `integerCircuit`s for that.
 *
 * @throws E_MODE for a model without codes, E_NAME for another matrix, E_SHAPE when the units have different lengths, E_RANGE.
 * @example
 * ```ts
 * const heads = tritOverlap(model, { weight: "attn.W_Q", unit: "heads" });
 * heads.agreement;      // [unit, other], 0.5 by chance
 * heads.top(3);         // the pairs that are least like chance
 * ```
 */
export function tritOverlap(model: Model, options: TritOverlapOptions): TritOverlap {
  const mine = codeRows(model, options);
  const planes = new TritPlanes(mine.codes, mine.rows, mine.cols, model);
  if (options.with === undefined) return new TritOverlap(planes.compare(planes), mine.labels, mine.labels);
  const theirs = codeRows(model, options.with);
  return new TritOverlap(planes.compare(new TritPlanes(theirs.codes, theirs.rows, theirs.cols, model)), mine.labels, theirs.labels);
}
