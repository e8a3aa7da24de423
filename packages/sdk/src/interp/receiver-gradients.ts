/** Gradients of a metric at every receiver's own input: what a change of one edge does, to first order. */
import type { Model, TransformerConfig } from "tritlens";
import type { Activations, ModelGraph, Receiver } from "tritlens/interp";

/** Gradients of receivers that read the same senders. */
export interface ReceiverGradients {
  /** Index of the first receiver in `graph.receivers`; the others follow it. */
  readonly first: number;
  /** How many receivers. */
  readonly count: number;
  /** Row-major [receiver, row, d_model]. Valid until the next group. */
  readonly data: Float32Array;
}

/** Activations whose values and gradients {@link receiverGradients} needs. */
export function receiverSites(graph: ModelGraph): string[] {
  const c = graph.config;
  const names: string[] = [];
  for (let layer = 0; layer < c.nLayers; layer++) {
    const block = `blocks.${layer}.`;
    names.push(`${block}hook_resid_pre`, ...["q", "k", "v"].map((x) => `${block}attn.hook_${x}`), `${block}hook_resid_post`);
    if (!c.attnOnly && !c.parallelAttnMlp) names.push(`${block}hook_resid_mid`);
    for (const norm of normsOf(c, layer)) names.push(norm.scale, ...(norm.center ? [] : [norm.normalized]));
  }
  return names;
}

/**
 * Gradients at the inputs of all receivers, block after block. Those of heads' inputs come from the gradients of queries, keys and values through their matrices and the norm
 * before them, those of MLPs are what the residual stream's gradient gains across the MLP; int8 activations pass gradients straight through, as in training.
 *
 * @param cache - Of a run that kept {@link receiverSites} with gradients.
 * @throws E_NAME for a cache without these activations or their gradients.
 */
export function* receiverGradients(model: Model, graph: ModelGraph, cache: Activations): Generator<ReceiverGradients> {
  const c = graph.config;
  const { data } = cache.get(`blocks.0.hook_resid_pre`);
  const size = data.length;
  const perBlock = c.nHeads + 2 * c.nKeyValueHeads;
  const heads = new Float32Array(perBlock * size);
  const weight = new Float32Array(c.nHeads * c.dHead * c.dModel);
  let first = 0;
  for (let layer = 0; layer < c.nLayers; layer++) {
    const receivers = graph.receivers.slice(first, first + perBlock);
    for (const kind of ["q", "k", "v"] as const) throughMatrix(model, c, receivers, kind, cache, heads, weight);
    const [norm] = normsOf(c, layer).filter((n) => n.of === "block");
    if (norm) normBackward(heads, c.dModel, normState(model, norm, cache));
    yield { first, count: perBlock, data: heads };
    first += perBlock;
    if (!c.attnOnly) yield { first: first++, count: 1, data: mlpGradient(c, layer, cache, heads, perBlock) };
  }
  yield { first, count: 1, data: cache.get(`blocks.${c.nLayers - 1}.hook_resid_post_grad`).data };
}

/** dq W_Q of every head on its own, before the block's norm. */
function throughMatrix(
  model: Model,
  c: TransformerConfig,
  receivers: readonly Receiver[],
  kind: "q" | "k" | "v",
  cache: Activations,
  out: Float32Array,
  room: Float32Array,
): void {
  const { dHead, dModel } = c;
  const chosen = receivers.filter((r) => r.kind === kind);
  const from = receivers.indexOf(chosen[0] as Receiver);
  const layer = chosen[0]?.layer ?? 0;
  const here = `blocks.${layer}.attn.`;
  const grad = cache.get(`${here}hook_${kind}_grad`).data;
  const width = chosen.length * dHead;
  const rows = grad.length / width;
  // The same room for every matrix: a fresh one each time costs more than the product.
  const w = room.subarray(0, width * dModel);
  model.core.effectiveParam(model.program, model.paramNames.indexOf(`${here}W_${kind.toUpperCase()}`), w);
  const part = new Float32Array(rows * dHead);
  for (let head = 0; head < chosen.length; head++) {
    for (let r = 0; r < rows; r++) part.set(grad.subarray(r * width + head * dHead, r * width + (head + 1) * dHead), r * dHead);
    const to = out.subarray((from + head) * rows * dModel, (from + head + 1) * rows * dModel);
    model.core.matmul(part, w.subarray(head * dHead * dModel, (head + 1) * dHead * dModel), rows, dHead, dModel, to);
  }
  const own = normsOf(c, layer).find((n) => n.of === kind);
  const block = out.subarray(from * rows * dModel, (from + chosen.length) * rows * dModel);
  if (own) normBackward(block, dModel, normState(model, own, cache));
}

/** The MLP's share of the gradient that the residual stream has before it. */
function mlpGradient(c: TransformerConfig, layer: number, cache: Activations, heads: Float32Array, count: number): Float32Array {
  const block = `blocks.${layer}.`;
  const before = cache.get(`${block}hook_resid_${c.parallelAttnMlp ? "pre" : "mid"}_grad`).data;
  const after = cache.get(`${block}hook_resid_post_grad`).data;
  const out = new Float32Array(before.length);
  for (let i = 0; i < out.length; i++) {
    let rest = after[i] as number;
    if (c.parallelAttnMlp) for (let k = 0; k < count; k++) rest += heads[k * out.length + i] as number;
    out[i] = (before[i] as number) - rest;
  }
  return out;
}

/** A norm that stands between the residual stream and a head's matrix. */
interface NormPlace {
  /** ln1, or the norm of one quantised matrix. */
  readonly of: "block" | "q" | "k" | "v";
  readonly scale: string;
  readonly normalized: string;
  readonly center: boolean;
  readonly gain: string | undefined;
  /** What it norms, where the normed vector is not kept before its gain. */
  readonly input: string;
}

function normsOf(c: TransformerConfig, layer: number): NormPlace[] {
  const block = `blocks.${layer}.`;
  const at = (of: NormPlace["of"], prefix: string, kind: string): NormPlace => ({
    of,
    scale: `${prefix}hook_scale`,
    normalized: `${prefix}hook_normalized`,
    center: kind.startsWith("LN"),
    gain: kind.endsWith("Pre") ? undefined : `${prefix}w`,
    input: `${block}hook_resid_pre`,
  });
  const places: NormPlace[] = c.normalization === "none" ? [] : [at("block", `${block}ln1.`, c.normalization)];
  if (!c.linearNorm) return places;
  for (const x of ["q", "k", "v"] as const)
    if (!c.plainMatrices.includes(`${block}attn.W_${x.toUpperCase()}`)) places.push(at(x, `${block}attn.${x}.norm.`, "RMS"));
  return places;
}

/** A norm as it was in the run: unit vectors, divisors and gain. */
interface NormState {
  /** (x - mean?) / s, [row, d_model]. */
  readonly unit: Float32Array;
  /** s, one a row. */
  readonly scale: Float32Array;
  readonly gain: Float32Array | undefined;
  readonly center: boolean;
}

function normState(model: Model, place: NormPlace, cache: Activations): NormState {
  const scale = cache.get(place.scale).data;
  const gain = place.gain === undefined ? undefined : model.readParam(place.gain).data;
  const unit = place.center ? centred(cache.get(place.input).data, scale) : cache.get(place.normalized).data;
  return { unit, scale, gain, center: place.center };
}

/** (x - mean) / s: LayerNorm keeps its output after gain and bias only. */
function centred(x: Float32Array, scale: Float32Array): Float32Array {
  const n = x.length / scale.length;
  const out = new Float32Array(x.length);
  for (const [r, s] of scale.entries()) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += x[r * n + i] as number;
    for (let i = 0; i < n; i++) out[r * n + i] = ((x[r * n + i] as number) - sum / n) / s;
  }
  return out;
}

/** Gradients after a norm become those before it, in place: dx = (g w - mean(g w)? - unit mean(g w unit)) / s. @param grads - [receiver, row, d_model]. */
function normBackward(grads: Float32Array, n: number, { unit, scale, gain, center }: NormState): void {
  const rows = scale.length;
  const [over, along, part] = [new Float64Array(n), new Float64Array(n), center ? 1 / n : 0];
  for (let r = 0; r < rows; r++) {
    const u = unit.subarray(r * n, (r + 1) * n);
    const s = scale[r] as number;
    // What all receivers share: w / s, and what the gradient's share along the unit vector is measured with.
    for (let i = 0; i < n; i++) {
      over[i] = (gain ? (gain[i] as number) : 1) / s;
      along[i] = ((over[i] as number) * (u[i] as number)) / n;
    }
    const step = rows * n;
    let at = r * n;
    for (; at + 3 * step < grads.length; at += 4 * step) fourRowsBackward(grads, at, step, over, along, u, part);
    for (; at < grads.length; at += step) oneRowBackward(grads.subarray(at, at + n), over, along, u, part);
  }
}

/** One row of one receiver. @param part - 1 / n, or 0 for a norm that does not centre. */
function oneRowBackward(g: Float32Array, over: Float64Array, along: Float64Array, unit: Float32Array, part: number): void {
  let [sum, slope] = [0, 0];
  for (let i = 0; i < g.length; i++) {
    const x = g[i] as number;
    sum += x * (over[i] as number);
    slope += x * (along[i] as number);
  }
  const mean = sum * part;
  for (let i = 0; i < g.length; i++) g[i] = (g[i] as number) * (over[i] as number) - mean - slope * (unit[i] as number);
}

/** The same row of four receivers, `step` apart: what they share is read once, and their sums do not wait for each other. */
function fourRowsBackward(g: Float32Array, a: number, step: number, over: Float64Array, along: Float64Array, unit: Float32Array, part: number): void {
  const [n, b, c, d] = [over.length, a + step, a + 2 * step, a + 3 * step];
  let [m0, m1, m2, m3, s0, s1, s2, s3] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [o, l] = [over[i] as number, along[i] as number];
    const [x0, x1, x2, x3] = [g[a + i] as number, g[b + i] as number, g[c + i] as number, g[d + i] as number];
    m0 += x0 * o;
    m1 += x1 * o;
    m2 += x2 * o;
    m3 += x3 * o;
    s0 += x0 * l;
    s1 += x1 * l;
    s2 += x2 * l;
    s3 += x3 * l;
  }
  m0 *= part;
  m1 *= part;
  m2 *= part;
  m3 *= part;
  for (let i = 0; i < n; i++) {
    const [o, u] = [over[i] as number, unit[i] as number];
    g[a + i] = (g[a + i] as number) * o - m0 - s0 * u;
    g[b + i] = (g[b + i] as number) * o - m1 - s1 * u;
    g[c + i] = (g[c + i] as number) * o - m2 - s2 * u;
    g[d + i] = (g[d + i] as number) * o - m3 - s3 * u;
  }
}
