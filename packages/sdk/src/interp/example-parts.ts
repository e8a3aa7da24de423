/** Many examples through a model, a part at a time, without logits that nobody looks at. */
import { type ActivationCache, type Hook, type Model, type Tokens, toTokenRows } from "tritlens";

/** Activations of some of the examples. */
export interface ExamplePart {
  /** Number of the first example. */
  readonly from: number;
  /** Number of examples. */
  readonly batch: number;
  /** Their activations. */
  readonly cache: ActivationCache;
}

/** Options of {@link exampleParts}. */
export interface ExamplePartOptions {
  /** Hooks of the runs. All examples run together then, because an edit may name one of them. */
  readonly hooks?: readonly Hook[];
  /** Most numbers that a part keeps, logits included (2^24, which is 64 MiB). */
  readonly partSize?: number;
}

/**
 * Runs examples in parts and gives the sites of each, in order. A run ends behind the last block that is looked at, so that the unembedding is computed only where a site behind
 * the blocks asks for it.
 *
 * @param names - Exact names of sites.
 * @throws What `runWithCache` throws.
 */
export function* exampleParts(
  model: Model,
  tokens: Tokens,
  names: readonly string[],
  { hooks = [], partSize = 2 ** 24 }: ExamplePartOptions = {},
): Generator<ExamplePart> {
  const { data, batch, pos } = toTokenRows(tokens);
  // hook_embed and hook_pos_embed come before all blocks.
  const layers = names.map((name) => (/^hook_/.test(name) ? 0 : Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? Number.POSITIVE_INFINITY) + 1));
  const last = Math.max(...layers);
  const stop = last <= model.layers && model.layers > 0 ? last : undefined;
  const sites = model.spec.sites.filter((site) => names.includes(site.name));
  const wide = sites.reduce((sum, { shape }) => sum + shape.reduce((n: number, d) => (typeof d === "number" ? n * d : n), 1), 0);
  const perExample = pos * (wide + (stop !== undefined ? 0 : (model.config?.dVocabOut ?? model.spec.vocab)));
  const size = hooks.length > 0 ? batch : Math.min(batch, Math.max(1, Math.floor(partSize / perExample)));
  const options = { names, hooks, ...(stop === undefined ? {} : { stopAtLayer: stop }) };
  for (let from = 0; from < batch; from += size) {
    const count = Math.min(size, batch - from);
    const part = { data: data.slice(from * pos, (from + count) * pos), shape: [count, pos] };
    yield { from, batch: count, cache: model.runWithCache(part, options).cache };
  }
}
