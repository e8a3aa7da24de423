/** What directions of the residual stream mean in tokens: the logits that each would add. */
import { type Model, requireShape, Tensor, TritlensError } from "tritlens";
import { configOf, flippedMatrix, requireChoice, tokenLabel, weightIfAny } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link directionTokens} and of what is built on it. */
export interface DirectionTokensOptions {
  /** Tokens a direction on each side (10). */
  readonly count?: number;
  /** `raw` (the default): through the unembedding alone. `folded`: through the gain of the final norm (and LayerNorm's removal of the mean) as well. */
  readonly norms?: "raw" | "folded";
  /** Names of the directions; their indices when left out. */
  readonly labels?: readonly string[];
}

/** Tokens of several directions, best first. */
export interface RankedTokens {
  /** Tokens a direction. */
  readonly count: number;
  /** Ids, [direction, rank]. */
  readonly ids: Int32Array;
  /** What they are ranked by, falling, [direction, rank]. */
  readonly values: Float64Array;
}

/** Logits of a part of the vocabulary. */
export interface VocabularyPart {
  /** First token of the part. */
  readonly first: number;
  /** How many tokens it has. */
  readonly tokens: number;
  /** What directions add to their logits, [token, direction]. */
  readonly logits: Float32Array;
}

/** Directions and the tokens they raise and lower most. */
export class DirectionTokens extends Result {
  /** Ids of the tokens with the largest logits, [direction, rank]. */
  readonly top: Tensor<Int32Array>;
  /** Their logits, [direction, rank]. */
  readonly topLogits: Tensor;
  /** Ids of the tokens with the smallest logits, least first, [direction, rank]. */
  readonly bottom: Tensor<Int32Array>;
  /** Their logits, [direction, rank]. */
  readonly bottomLogits: Tensor;
  /** Names of the directions. */
  readonly labels: readonly string[];
  readonly #text: (token: number) => string;

  /** @param bottom - Ranked by minus the logit. @param text - What stands for a token in pictures. */
  constructor(top: RankedTokens, bottom: RankedTokens, labels: readonly string[], text: (token: number) => string) {
    super();
    const shape = [labels.length, top.count];
    const axes = ["direction", "rank"];
    this.top = Tensor.from(top.ids, shape, axes);
    this.topLogits = Tensor.from(Float32Array.from(top.values), shape, axes);
    this.bottom = Tensor.from(bottom.ids, shape, axes);
    this.bottomLogits = Tensor.from(
      Float32Array.from(bottom.values, (x) => -x),
      shape,
      axes,
    );
    this.labels = labels;
    this.#text = text;
  }

  /** Texts (ids where the model has no tokenizer) of the tokens that a direction raises most. */
  texts(direction: number): string[] {
    return Array.from(this.top.slice("direction", direction).data, this.#text);
  }

  /** The 24 directions with the largest logits. */
  override chart(): Chart {
    const { topLogits, top, labels } = this;
    const count = top.shape[1];
    const shown = Array.from(labels.keys())
      .sort((i, j) => topLogits.data[j * count] - topLogits.data[i * count])
      .slice(0, 24)
      .sort((i, j) => i - j);
    const cells = shown.flatMap((i) => Array.from({ length: count }, (_, k) => i * count + k));
    return {
      kind: "heatmap",
      title: "Tokens that directions raise",
      values: cells.map((i) => topLogits.data[i]),
      text: cells.map((i) => this.#text(top.data[i])),
      y: { name: "direction", labels: shown.map((i) => labels[i]) },
      x: { name: "rank", labels: Array.from({ length: count }, (_, k) => `${k + 1}`) },
      scale: "sequential",
      unit: "logit",
    };
  }
}

/**
 * The tokens whose logits each direction raises and lowers most: `directions W_U`, a part of the vocabulary at a time.
 *
 * Only the direct effect, up to the scale of the final norm. Directions of early layers often do not speak the vocabulary's language: what later layers make of them is not in
 * it.
 *
 * @param directions - [direction, d_model].
 * @throws E_SPEC for a model of a bare Spec, E_SHAPE unless directions are a matrix of the model's width, E_RANGE for a count beyond the vocabulary.
 */
export function directionTokens(
  model: Model,
  directions: Tensor,
  { count = 10, norms = "raw", labels }: DirectionTokensOptions = {},
): DirectionTokens {
  const { dVocabOut } = configOf(model);
  if (!Number.isInteger(count) || count < 1 || count > dVocabOut)
    throw new TritlensError("E_RANGE", "wrong number of tokens", { expected: `1 to ${dVocabOut}`, found: String(count) });
  const n = directions.shape[0];
  const [top, bottom] = [new TopLists(n, count), new TopLists(n, count)];
  for (const { first, tokens, logits } of directionLogits(model, directions, norms))
    for (let t = 0; t < tokens; t++)
      for (let i = 0; i < n; i++) {
        top.offer(i, first + t, logits[t * n + i]);
        bottom.offer(i, first + t, -logits[t * n + i]);
      }
  const names = labels ?? Array.from({ length: n }, (_, i) => `${i}`);
  return new DirectionTokens(top, bottom, names, (token) => tokenLabel(model, token));
}

/**
 * Logits that directions add, for a part of the vocabulary at a time: [token, direction] from token `first` on.
 *
 * @param directions - [direction, d_model].
 * @throws E_SPEC for a model of a bare Spec, E_SHAPE unless directions are a matrix of the model's width.
 */
export function* directionLogits(model: Model, directions: Tensor, norms: "raw" | "folded" = "raw"): Generator<VocabularyPart> {
  const { dModel: d, dVocabOut } = configOf(model);
  const n = directions.shape[0];
  requireShape("the directions", [n, d], directions.shape);
  requireChoice("form of the norms", norms, ["raw", "folded"]);
  const right = flippedMatrix((norms === "folded" ? throughNorm(model, directions) : directions).data, n, d);
  const unembed = model.readParam("unembed.W_U", { effective: true }).data;
  const part = Math.max(1, Math.min(dVocabOut, Math.floor(4e6 / Math.max(1, n))));
  for (let first = 0; first < dVocabOut; first += part) {
    const tokens = Math.min(part, dVocabOut - first);
    const logits = new Float32Array(tokens * n);
    model.core.matmul(unembed.subarray(first * d, (first + tokens) * d), right, tokens, d, n, logits);
    yield { first, tokens, logits };
  }
}

/** What the final norm leaves of directions, up to its scale. */
function throughNorm(model: Model, directions: Tensor): Tensor {
  const { dModel: d, finalNorm } = configOf(model);
  const gain = weightIfAny(model, "ln_final.w")?.data;
  const out = directions.data.slice();
  for (let at = 0; at < out.length; at += d) {
    const row = out.subarray(at, at + d);
    const mean = finalNorm.startsWith("LN") ? row.reduce((sum, x) => sum + x, 0) / d : 0;
    for (let i = 0; i < d; i++) row[i] = (row[i] - mean) * (gain?.[i] ?? 1);
  }
  return Tensor.from(out, directions.shape, directions.axes);
}

/** The largest `count` values of each of `rows` lists, sorted as they come. */
class TopLists implements RankedTokens {
  readonly count: number;
  readonly ids: Int32Array;
  readonly values: Float64Array;

  constructor(rows: number, count: number) {
    this.count = count;
    this.ids = new Int32Array(rows * count);
    this.values = new Float64Array(rows * count).fill(Number.NEGATIVE_INFINITY);
  }

  offer(row: number, id: number, value: number): void {
    const { count, ids, values } = this;
    let at = (row + 1) * count - 1;
    if (!(value > values[at])) return;
    for (; at > row * count && values[at - 1] < value; at--) {
      values[at] = values[at - 1];
      ids[at] = ids[at - 1];
    }
    values[at] = value;
    ids[at] = id;
  }
}
