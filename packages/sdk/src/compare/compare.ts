/** Where does quantisation change the circuit: two models over the same tokens, activation by activation. */
import { TritlensError } from "../core/errors.ts";
import { type Model, type NameFilter, selectSites, type Tokens, toTokenRows } from "../hooks/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Differences, LogitDifferences } from "./differences.ts";
import { Comparison, type SiteComparison } from "./result.ts";

/** What is compared, and how it can be stopped. */
export interface CompareOptions {
  /** Activations to compare; every one that both models have when left out. */
  readonly names?: NameFilter;
  /** Stops between batches. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the share that is done. */
  readonly onProgress?: (share: number) => void;
}

/** Tokens a pass. Activations of this many are in memory at once. */
const TOKENS_A_PASS = 4096;

/**
 * Runs both models over the same tokens and compares every activation that both have, by name, layer by layer and head by head. The models may be in different formats (a packed model and
 * the dense one it came from), or quantised in different ways; differences add up from layer to layer, so a site shows what everything before it did.
 *
 * @param a - The reference: errors are relative to it, and divergences are from it.
 * @param tokens - [batch, pos]; real text shows what matters, random tokens only that something changed.
 * @example
 * ```ts
 * const { model: packed } = await convertModel(model, { format: "ternary" });
 * const comparison = await compareModels(model, packed, tokens, { names: ["blocks.*.hook_resid_post", "blocks.*.attn.hook_pattern"] });
 * console.log(String(comparison), comparison.site("blocks.0.attn.hook_pattern").heads);
 * ```
 * @throws E_NAME for names that match nothing both have, E_SHAPE for activations or logits of different shape (other architectures), E_RANGE for wrong tokens, E_ABORTED.
 */
export async function compareModels(a: Model, b: Model, tokens: Tokens, options: CompareOptions = {}): Promise<Comparison> {
  const names = commonNames(a, b, options.names);
  const { data, batch, pos } = toTokenRows(tokens);
  const sites = new Map<string, SiteSums>();
  const logits = new LogitDifferences();
  const step = Math.max(1, Math.floor(TOKENS_A_PASS / pos));
  for (let from = 0; from < batch; from += step) {
    // Lets a waiting abort come in.
    await new Promise((resume) => setTimeout(resume, 0));
    if (options.signal?.aborted) throw new TritlensError("E_ABORTED", "the comparison was stopped", { cause: options.signal.reason });
    const rows = Math.min(step, batch - from);
    const part = { data: data.subarray(from * pos, (from + rows) * pos), shape: [rows, pos] };
    const [x, y] = [a.runWithCache(part, { names }), b.runWithCache(part, { names })];
    sameShape("the logits", x.logits, y.logits);
    logits.add(x.logits, y.logits);
    for (const name of names) add(sites, name, x.cache.get(name), y.cache.get(name));
    options.onProgress?.((from + rows) / batch);
  }
  return new Comparison(
    [...sites].map(([name, sums]) => sums.read(name)),
    logits.read(),
  );
}

function commonNames(a: Model, b: Model, filter: NameFilter | undefined): string[] {
  const other = new Set(b.siteNames);
  const common = a.siteNames.filter((name) => other.has(name));
  if (common.length === 0)
    throw new TritlensError("E_NAME", "the models have no activation in common", {
      expected: `names such as ${a.siteNames[0] ?? "(none)"}`,
      found: `names such as ${b.siteNames[0] ?? "(none)"}`,
    });
  return selectSites(filter ?? common, common).map((i) => common[i] as string);
}

/** The sums of a site, and where its heads lie. */
class SiteSums {
  readonly #inner: number;
  readonly #last: number;
  readonly #sums: Differences;
  readonly #headed: boolean;

  constructor(name: string, like: Tensor) {
    const head = like.axes.indexOf("head");
    this.#headed = head >= 0;
    this.#last = like.shape.at(-1) as number;
    this.#inner = like.shape.slice(this.#headed ? head + 1 : like.shape.length).reduce((x, y) => x * y, 1);
    if (!this.#headed) this.#inner = this.#last;
    this.#sums = new Differences(this.#headed ? (like.shape[head] as number) : 1, name.endsWith("hook_pattern"));
  }

  add(a: Tensor, b: Tensor): void {
    this.#sums.add(a.data, b.data, this.#inner, this.#last);
  }

  read(name: string): SiteComparison {
    const block = /^blocks\.(\d+)\.(.+)$/.exec(name);
    const place = block ? { layer: Number(block[1]), kind: block[2] as string } : { layer: null, kind: name };
    return { name, ...place, ...this.#sums.total(), heads: this.#headed ? this.#sums.heads() : [] };
  }
}

function add(sites: Map<string, SiteSums>, name: string, a: Tensor, b: Tensor): void {
  sameShape(`activation "${name}"`, a, b);
  let sums = sites.get(name);
  if (!sums) {
    sums = new SiteSums(name, a);
    sites.set(name, sums);
  }
  sums.add(a, b);
}

function sameShape(what: string, a: Tensor, b: Tensor): void {
  if (a.shape.length === b.shape.length && a.shape.every((n, i) => n === b.shape[i])) return;
  throw new TritlensError("E_SHAPE", `${what} of the two models cannot be compared`, {
    expected: `[${a.shape.join(", ")}]`,
    found: `[${b.shape.join(", ")}]`,
  });
}
