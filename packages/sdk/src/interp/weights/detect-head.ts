/** Finds heads by what they look at: how near each head's attention is to a pattern. */
import { type ActivationCache, type Model, Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { allHeadLabels, configOf, HEAD_NAMES, type HeadName, headPattern, requireIndex } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Options of {@link detectHead}. */
export interface DetectHeadOptions {
  /** Heads to score, [layer, head]; the others get -1. All of them when left out. */
  readonly heads?: readonly (readonly [layer: number, head: number])[];
  /** Patterns of a run over the same tokens, to save running again. */
  readonly cache?: ActivationCache;
  /** Leave attention to the first position out. */
  readonly excludeBos?: boolean;
  /** Leave attention of each position to itself out. */
  readonly excludeCurrentToken?: boolean;
  /**
   * `mul` (the default): the share of the attention that falls on the pattern. `abs`: 1 less the mean over queries of the summed absolute differences, rounded to three digits
   * (as TransformerLens does): 1 is a perfect match, -1 the opposite.
   */
  readonly errorMeasure?: "mul" | "abs";
}

/** A head and how much it does what was looked for. */
export interface ScoredHead {
  /** Its block. */
  readonly layer: number;
  /** Its index in the block. */
  readonly head: number;
  /** `L1H4`. */
  readonly label: string;
  /** As in {@link HeadScores.scores}. */
  readonly score: number;
}

/** How near the heads of a model are to a pattern. */
export class HeadScores extends Result {
  /** Scores, [layer, head], the mean over the batch; -1 for heads that were not asked for. */
  readonly scores: Tensor;
  /** Names of the heads, in the order of the scores. */
  readonly labels: readonly string[];
  /** The kind of head, or `pattern`. */
  readonly kind: HeadName | "pattern";
  /** How it was measured. */
  readonly errorMeasure: "mul" | "abs";

  constructor(scores: Tensor, labels: readonly string[], kind: HeadName | "pattern", errorMeasure: "mul" | "abs") {
    super();
    this.scores = scores;
    this.labels = labels;
    this.kind = kind;
    this.errorMeasure = errorMeasure;
  }

  /** The heads with the highest scores. */
  top(count = 5): readonly ScoredHead[] {
    const { scores, labels } = this;
    const heads = scores.shape[1];
    return Array.from(scores.data, (score, i) => ({ layer: Math.floor(i / heads), head: i % heads, label: labels[i], score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, count);
  }

  override chart(): Chart {
    const { scores, kind, errorMeasure } = this;
    const [layers, heads] = scores.shape;
    return {
      kind: "heatmap",
      title: kind === "pattern" ? "Heads that match the pattern" : `Scores of ${kind.replaceAll("_", " ")}s`,
      caption: errorMeasure === "mul" ? "Share of each head's attention that falls on the pattern." : "1 less the distance from the pattern.",
      values: scores.data,
      y: { name: "layer", labels: Array.from({ length: layers }, (_, i) => `${i}`) },
      x: { name: "head", labels: Array.from({ length: heads }, (_, i) => `${i}`) },
      scale: "sequential",
      unit: "score",
    };
  }
}

/**
 * Scores every head of a model on how near its attention is to a pattern (TransformerLens's `detect_head`; the same numbers on the same patterns).
 *
 * Not proof of what a head does: ablate or patch what it finds. Induction scores need tokens that repeat, best random ones.
 *
 * @param tokens - One sequence or a batch, [batch, pos]; scores are means over it.
 * @param pattern - A kind of head, or weights [query, key] that are 0 behind the query; 0 and 1 with `mul`.
 * @throws E_NAME for another kind or error measure, E_SHAPE for a pattern or a cache that does not fit, E_RANGE for heads that do not exist and sequences of one token, E_SPEC
 * for a model of a bare Spec.
 * @example
 * ```ts
 * const found = detectHead(model, [[7, 3, 9, 4, 7, 3, 9, 4]], "induction_head");
 * console.log(found.top(2)); // [{ layer: 1, head: 4, label: "L1H4", score: 0.93 }, ...]
 * ```
 */
export function detectHead(model: Model, tokens: Tokens, pattern: HeadName | Tensor, options: DetectHeadOptions = {}): HeadScores {
  const { errorMeasure = "mul", heads, excludeBos = false, excludeCurrentToken = false } = options;
  if (errorMeasure !== "mul" && errorMeasure !== "abs")
    throw new TritlensError("E_NAME", "unknown error measure", { expected: "mul or abs", found: String(errorMeasure) });
  const { nLayers, nHeads, attentionDir } = configOf(model);
  for (const [layer, head] of heads ?? []) {
    requireIndex("layer", layer, nLayers);
    requireIndex("head", head, nHeads);
  }
  const { batch, pos, data } = toTokenRows(tokens);
  if (pos < 2) throw new TritlensError("E_RANGE", "a pattern needs at least two tokens", { expected: "two or more", found: String(pos) });
  const wanted = Array.from({ length: batch }, (_, b) =>
    typeof pattern === "string"
      ? headPattern(pattern, data.subarray(b * pos, (b + 1) * pos))
      : requirePattern(pattern, pos, attentionDir === "causal"),
  );
  const site = (layer: number): string => `blocks.${layer}.attn.hook_pattern`;
  const layers = [...new Set(heads?.map(([layer]) => layer) ?? Array.from({ length: nLayers }, (_, i) => i))];
  const cache = options.cache ?? model.runWithCache(tokens, { names: layers.map(site) }).cache;
  const scores = new Float32Array(nLayers * nHeads).fill(-1);
  for (const layer of layers) {
    const patterns = cache.get(site(layer));
    requirePatterns(patterns, batch, nHeads, pos);
    for (let head = 0; head < nHeads; head++) {
      if (heads && !heads.some(([l, h]) => l === layer && h === head)) continue;
      let sum = 0;
      for (let b = 0; b < batch; b++) {
        const at = (b * nHeads + head) * pos * pos;
        const attention = masked(patterns.data.subarray(at, at + pos * pos), pos, excludeBos, excludeCurrentToken);
        sum += attentionSimilarity(attention, masked(wanted[b].data, pos, excludeBos, excludeCurrentToken), pos, errorMeasure);
      }
      scores[layer * nHeads + head] = sum / batch;
    }
  }
  const kind = typeof pattern === "string" && HEAD_NAMES.includes(pattern) ? pattern : "pattern";
  return new HeadScores(Tensor.from(scores, [nLayers, nHeads], ["layer", "head"]), allHeadLabels(model), kind, errorMeasure);
}

/** A copy without the entries that are left out. */
function masked(weights: Float32Array, n: number, excludeBos: boolean, excludeCurrentToken: boolean): Float32Array {
  const out = weights.slice();
  if (excludeBos) for (let q = 0; q < n; q++) out[q * n] = 0;
  if (excludeCurrentToken) for (let q = 0; q < n; q++) out[q * n + q] = 0;
  return out;
}

/** 0 for a head that has no attention left after what is left out. */
function attentionSimilarity(attention: Float32Array, wanted: Float32Array, n: number, measure: "mul" | "abs"): number {
  let [hit, all, apart] = [0, 0, 0];
  for (let i = 0; i < attention.length; i++) {
    hit += attention[i] * wanted[i];
    all += attention[i];
    apart += Math.abs(attention[i] - wanted[i]);
  }
  if (measure === "mul") return all === 0 ? 0 : hit / all;
  // In f32, as TransformerLens does it: a score on a border then rounds the same way.
  const mean = Math.fround(apart / (n * n));
  return 1 - Math.round(Math.fround(mean * n) * 1000) / 1000;
}

function requirePattern(pattern: Tensor, pos: number, causal: boolean): Tensor {
  const [rows, cols] = pattern.shape;
  const ahead = (i: number): boolean => i % pos > Math.floor(i / pos);
  const fits = pattern.shape.length === 2 && rows === pos && cols === pos && !(causal && pattern.data.some((x, i) => x !== 0 && ahead(i)));
  if (fits) return pattern;
  throw new TritlensError("E_SHAPE", "the pattern does not fit the tokens", {
    expected: `[${pos}, ${pos}]${causal ? " with zeros above the diagonal" : ""}`,
    found: `[${pattern.shape.join(", ")}]${rows === pos && cols === pos ? ", not all of them zero" : ""}`,
  });
}

function requirePatterns(patterns: Tensor, batch: number, heads: number, pos: number): void {
  // A cache without its batch axis serves one sequence.
  const expected = [...(patterns.shape.length === 3 && batch === 1 ? [] : [batch]), heads, pos, pos];
  if (patterns.shape.length === expected.length && patterns.shape.every((d, i) => d === expected[i])) return;
  throw new TritlensError("E_SHAPE", "the cache is of other tokens", {
    expected: `[${expected.join(", ")}]`,
    found: `[${patterns.shape.join(", ")}]`,
  });
}
