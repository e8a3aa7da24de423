/** Causal tracing (Meng et al. 2022, arXiv 2202.05262): the subject's embeddings are drowned in noise, and single states are restored. */
import { type Edit, type Model, Tensor, type Tokens, TritlensError, toTokenRows, type Variant } from "tritlens";
import { CausalTrace, type MetricLike, measureVariants, positionLabels, type SweepRunOptions, toMetric } from "tritlens/interp";

/** What is restored: the residual stream after one block, or the outputs of MLPs or attention layers in a window of blocks. */
export type TracedKind = "state" | "mlp" | "attn";

/** Options of {@link causalTrace}. */
export interface CausalTraceOptions extends SweepRunOptions {
  /** Positions of the subject, [lo, hi). */
  readonly subject: readonly [lo: number, hi: number];
  /** Draws of noise that are averaged; 10 when left out. */
  readonly samples?: number;
  /** Standard deviation of the noise; three times that of the prompt's embeddings when left out, as in the paper. */
  readonly noise?: number;
  /** Blocks restored together for `mlp` and `attn`, around each block; 10 when left out. */
  readonly window?: number;
  /** What to restore; everything that the model has when left out. */
  readonly kinds?: readonly TracedKind[];
  /** Seed of the noise; 0 when left out. */
  readonly seed?: number;
  /** Names of the positions in pictures. */
  readonly posLabels?: readonly string[];
}

const SITES: Readonly<Record<TracedKind, string>> = { state: "hook_resid_post", mlp: "hook_mlp_out", attn: "hook_attn_out" };

/**
 * The metric of the clean run, of the run with noise on the subject, and of noisy runs in which the clean state of one layer and position is restored. Causal tracing (Meng et
 * al. 2022, arXiv 2202.05262).
 *
 * Results depend on the size of the noise, which takes the model off its usual inputs; where a prompt with other tokens can be written, {@link genericActivationPatch} asks
 * the cleaner question.
 *
 * @param tokens - The prompt, [batch, pos].
 * @param metric - Usually `answerProbability(answer)`.
 * @returns Maps [layer, pos] for each kind; a cell is the mean over all draws of noise, NaN when an abort left one out.
 * @throws E_MODE for a kind that the model lacks, E_RANGE for a subject outside of the prompt and for wrong numbers; E_ABORTED; what the metric throws, and E_NONFINITE,
 * E_SHAPE for what it returns.
 * @example
 * ```ts
 * const trace = await causalTrace(model, tokens, answerProbability(answer), { subject: [1, 4] });
 * console.log(trace.maps.get("mlp")?.at(5, 3) - trace.corrupt);
 * ```
 */
export async function causalTrace(
  model: Model,
  tokens: Tokens,
  metric: MetricLike,
  { subject, samples = 10, noise, window = 10, kinds, seed = 0, posLabels, ...options }: CausalTraceOptions,
): Promise<CausalTrace> {
  const { pos } = toTokenRows(tokens);
  requireSubject(subject, pos);
  requireCount("samples", samples);
  requireCount("window", window);
  const traced = kinds ?? (["state", "mlp", "attn"] as const).filter((kind) => has(model, kind));
  for (const kind of traced) requireKind(model, kind);
  const noisy = noisyEmbeddings(model, tokens, { subject, samples, seed, ...(noise === undefined ? {} : { noise }) });
  const corrupting = noisy.map((value): [string, Edit] => ["hook_embed", { kind: "patch", value, at: { pos: subject } }]);
  const cells = traced.flatMap((kind) =>
    Array.from({ length: model.layers * pos }, (_, i) => ({ kind, layer: Math.floor(i / pos), at: { pos: i % pos } })),
  );
  const restored = cells.map(({ kind, layer, at }) =>
    blocks(kind === "state" ? 1 : window, layer, model.layers).map((l): [string, Edit] => [`blocks.${l}.${SITES[kind]}`, { kind: "freeze", at }]),
  );
  // One cell after the other with all its noise, so that an abort leaves finished cells.
  const variants = [[], ...restored].flatMap((edits) => corrupting.map((start): Variant => ({ edits: [start, ...edits] })));
  const { plain, values, complete } = await measureVariants(model, tokens, variants, metric, options);
  const means = Float32Array.from({ length: values.length / samples }, (_, i) => mean(values.subarray(i * samples, (i + 1) * samples)));
  const size = model.layers * pos;
  const map = (k: number): Tensor => Tensor.from(means.slice(1 + k * size, 1 + (k + 1) * size), [model.layers, pos], ["layer", "pos"]);
  return new CausalTrace({
    clean: plain,
    corrupt: means[0] as number,
    maps: new Map(traced.map((kind, k) => [kind, map(k)])),
    subject,
    window,
    metric: toMetric(metric).name,
    posLabels: positionLabels(model, tokens, posLabels),
    complete,
  });
}

/** Embeddings [batch, pos, d_model] with Gaussian noise at the subject, one tensor a draw. */
function noisyEmbeddings(
  model: Model,
  tokens: Tokens,
  { subject: [lo, hi], samples, seed, noise }: { subject: readonly [number, number]; samples: number; seed: number; noise?: number },
): Tensor[] {
  const embed = model.runWithCache(tokens, { names: "hook_embed", stopAtLayer: model.layers > 0 ? 1 : 0 }).cache.get("hook_embed");
  const [, pos, width] = embed.shape as [number, number, number];
  const size = noise ?? 3 * deviation(embed.data);
  if (!(size >= 0 && Number.isFinite(size)))
    throw new TritlensError("E_RANGE", "wrong noise", { expected: "a standard deviation", found: String(size) });
  const normal = gaussian(seed);
  return Array.from({ length: samples }, () => {
    const out = embed.copy();
    for (let i = 0; i < out.size; i++) {
      const at = Math.floor(i / width) % pos;
      if (at >= lo && at < hi) out.data[i] = (out.data[i] as number) + size * normal();
    }
    return out;
  });
}

function deviation(data: Float32Array): number {
  const centre = mean(data);
  return Math.sqrt(data.reduce((sum, x) => sum + (x - centre) ** 2, 0) / data.length);
}

function mean(data: Float32Array): number {
  return data.reduce((sum, x) => sum + x, 0) / data.length;
}

/** Normal numbers by Box and Muller's transform of mulberry32: the same for a seed everywhere. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Blocks of a window around `layer`, cut off at the ends. */
function blocks(window: number, layer: number, layers: number): number[] {
  const first = Math.max(0, layer - Math.floor(window / 2));
  const end = Math.min(layers, layer + Math.ceil(window / 2));
  return Array.from({ length: end - first }, (_, i) => first + i);
}

function has(model: Model, kind: TracedKind): boolean {
  return model.hookNames.includes(`blocks.0.${SITES[kind]}`);
}

function requireKind(model: Model, kind: TracedKind): void {
  if (!Object.hasOwn(SITES, kind))
    throw new TritlensError("E_NAME", `unknown kind of state "${kind}"`, { expected: Object.keys(SITES).join(", "), found: String(kind) });
  if (has(model, kind)) return;
  throw new TritlensError("E_MODE", `"${kind}" cannot be restored in this model`, { expected: `a model with ${SITES[kind]}`, found: "one without" });
}

function requireSubject([lo, hi]: readonly [number, number], pos: number): void {
  if (Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo < hi && hi <= pos) return;
  throw new TritlensError("E_RANGE", "the subject is outside of the prompt", { expected: `0 <= lo < hi <= ${pos}`, found: `[${lo}, ${hi})` });
}

function requireCount(what: string, n: number): void {
  if (Number.isInteger(n) && n > 0) return;
  throw new TritlensError("E_RANGE", `wrong ${what}`, { expected: "a whole number above 0", found: String(n) });
}
