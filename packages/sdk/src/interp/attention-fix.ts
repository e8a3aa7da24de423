/** What a patched query or key does to a head's pattern, without linearising the softmax: the QK fix of AtP* (Kramár et al. 2024, section 3.1). */
import { type ActivationCache, type Model, Tensor, type TransformerConfig } from "tritlens";
import { flippedMatrix } from "tritlens/interp";

/** Activations whose values (and, of the pattern, gradients) {@link attentionFix} needs. */
export function attentionSites(c: TransformerConfig, layer: number): string[] {
  return [
    ...["q", "k"].map((x) => comparedSite(c, layer, x as "q" | "k")),
    ...["attn_scores", "pattern"].map((x) => `blocks.${layer}.attn.hook_${x}`),
  ];
}

/** Queries or keys as they are compared: normed and rotated. */
function comparedSite(c: TransformerConfig, layer: number, kind: "q" | "k"): string {
  const here = `blocks.${layer}.attn.`;
  if (c.positions === "rotary") return `${here}hook_rot_${kind}`;
  return c.qkNorm ? `${here}hook_${kind}_normed` : `${here}hook_${kind}`;
}

/** Effects of patched queries and keys on the metric, through the patterns that they lead to. */
export interface AttentionFix {
  /** Queries, [head, pos]. */
  readonly q: Tensor;
  /** Keys, [key-value head, pos]. */
  readonly k: Tensor;
}

/**
 * The first-order effect on the metric of patching one query (or one key) at one position, through the pattern that it really leads to. Sums over examples; of keys also over
 * the query heads that share them. The QK fix of AtP* (Kramár et al. 2024, arXiv 2403.00745, section 3.1). Values and outputs of heads do not need it.
 *
 * @param cache - The run that is patched, with gradients: {@link attentionSites} of this layer.
 * @param patch - The run that queries and keys come from, of the same size.
 * @throws E_NAME for a cache without these activations.
 */
export function attentionFix(model: Model, c: TransformerConfig, layer: number, cache: ActivationCache, patch: ActivationCache): AttentionFix {
  const { nHeads, nKeyValueHeads } = c;
  const [q, k, otherQ, otherK] = [cache, patch].flatMap((run) => (["q", "k"] as const).map((x) => run.get(comparedSite(c, layer, x)))) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const scores = cache.get(`blocks.${layer}.attn.hook_attn_scores`).data;
  const grads = cache.get(`blocks.${layer}.attn.hook_pattern_grad`).data;
  const [batch, pos] = q.shape as unknown as [number, number];
  const [forQ, forK] = [new Float64Array(nHeads * pos), new Float64Array(nKeyValueHeads * pos)];
  for (let b = 0; b < batch; b++)
    for (let head = 0; head < nHeads; head++) {
      const group = Math.floor((head * nKeyValueHeads) / nHeads);
      const at = (b * nHeads + head) * pos * pos;
      const square = { scores: scores.subarray(at, at + pos * pos), grads: grads.subarray(at, at + pos * pos), pos };
      const [ownQ, ownK] = [rowsOf(q, b, head), rowsOf(k, b, group)];
      patchQueries(square, compared(model, c, rowsOf(otherQ, b, head), ownK), forQ.subarray(head * pos, (head + 1) * pos));
      patchKeys(square, compared(model, c, ownQ, rowsOf(otherK, b, group)), forK.subarray(group * pos, (group + 1) * pos));
    }
  return {
    q: Tensor.from(Float32Array.from(forQ), [nHeads, pos], ["head", "pos"]),
    k: Tensor.from(Float32Array.from(forK), [nKeyValueHeads, pos], ["head", "pos"]),
  };
}

/** One head of one example. */
interface Square {
  /** [query, key], -inf where masked. */
  readonly scores: Float32Array;
  /** Gradients of the pattern, [query, key]. */
  readonly grads: Float32Array;
  readonly pos: number;
}

/** [pos, d_head] of one head. */
function rowsOf(x: Tensor, b: number, head: number): Float32Array {
  const [, pos, heads, width] = x.shape as unknown as [number, number, number, number];
  const out = new Float32Array(pos * width);
  for (let t = 0; t < pos; t++) {
    const at = ((b * pos + t) * heads + head) * width;
    out.set(x.data.subarray(at, at + width), t * width);
  }
  return out;
}

/** Scores of queries with keys, [query, key], without a mask. */
function compared(model: Model, c: TransformerConfig, q: Float32Array, k: Float32Array): Float32Array {
  const pos = q.length / c.dHead;
  const out = new Float32Array(pos * pos);
  model.core.matmul(q, flippedMatrix(k, pos, c.dHead), pos, c.dHead, pos, out);
  return out.map((x) => x / c.attnScale);
}

/** A patched query changes its row: sum over keys of grad x (softmax of the new row - softmax of the old one). */
function patchQueries({ scores, grads, pos }: Square, patched: Float32Array, out: Float64Array): void {
  for (let i = 0; i < pos; i++) {
    const row = scores.subarray(i * pos, (i + 1) * pos);
    const before = softmax(row);
    const after = softmax(row.map((s, j) => (s === Number.NEGATIVE_INFINITY ? s : (patched[i * pos + j] as number))));
    let sum = 0;
    for (let j = 0; j < pos; j++) sum += (grads[i * pos + j] as number) * ((after[j] as number) - (before[j] as number));
    out[i] = (out[i] as number) + sum;
  }
}

/**
 * A patched key changes one column. The new row is the old one with weight a of that key times e = exp(change of its score), divided by the sum a e + rest. `rest`, the weight of all other keys,
 * is summed from both sides and never taken as 1 - a, which would be 0 in the saturated heads that this is for.
 */
function patchKeys({ scores, grads, pos }: Square, patched: Float32Array, out: Float64Array): void {
  for (let i = 0; i < pos; i++) {
    const row = scores.subarray(i * pos, (i + 1) * pos);
    const a = softmax(row);
    const weighted = a.map((x, j) => x * (grads[i * pos + j] as number));
    const [rest, restWeighted] = [allBut(a), allBut(weighted)];
    for (let j = 0; j < pos; j++) {
      if (row[j] === Number.NEGATIVE_INFINITY) continue;
      const change = (patched[i * pos + j] as number) - (row[j] as number);
      // The larger of both exponents is taken out, so that neither overflows.
      const [own, others] = change > 0 ? [a[j] as number, Math.exp(-change)] : [(a[j] as number) * Math.exp(change), 1];
      const sum = own + (rest[j] as number) * others;
      const grad = grads[i * pos + j] as number;
      const share = others / sum;
      out[j] = (out[j] as number) + grad * (own / sum - (a[j] as number)) + (restWeighted[j] as number) * (share - 1);
    }
  }
}

/** Sum of all entries but one, for every entry. */
function allBut(x: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 1, sum = 0; i < x.length; i++) {
    sum += x[i - 1] as number;
    out[i] = sum;
  }
  for (let i = x.length - 2, sum = 0; i >= 0; i--) {
    sum += x[i + 1] as number;
    out[i] = (out[i] as number) + sum;
  }
  return out;
}

function softmax(row: Float32Array): Float64Array {
  const most = row.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
  const out = Float64Array.from(row, (x) => Math.exp(x - most));
  const sum = out.reduce((s, x) => s + x, 0);
  return out.map((x) => x / sum);
}
