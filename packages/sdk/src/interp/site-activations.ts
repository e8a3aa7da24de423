/** Activations of one site as rows: what probes, steering vectors and subspaces are made of. */
import { type Model, selectSites, Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { exampleParts } from "tritlens/interp";

/** Which part of a site. */
export interface SitePart {
  /** Position in each example: one for all, one an example, or `all` of them as rows of their own; the last (-1) when left out. Negative counts from the end. */
  readonly pos?: number | readonly number[] | "all";
  /** One head of a site that has heads; all of them side by side when left out. */
  readonly head?: number;
}

/** A site that has a vector at each position. */
export interface VectorSite {
  /** Its full name. */
  readonly name: string;
  /** How many heads it has, [batch, pos, head, d_head]; undefined where it is [batch, pos, feature]. */
  readonly heads: number | undefined;
}

/** Name and axes of a site that has positions. @throws E_NAME, E_MODE for a site without positions (patterns), E_RANGE for a head. */
export function placeOfSite(model: Model, site: string, head?: number): VectorSite {
  const found = selectSites(site, model.siteNames);
  const name = model.siteNames[found[0] as number] as string;
  if (found.length > 1)
    throw new TritlensError("E_NAME", `"${site}" is more than one site`, { expected: "the name of one", found: `${found.length}` });
  const shape = model.spec.sites[found[0] as number]?.shape ?? [];
  if (shape[1] !== "seq" || shape.length < 3)
    throw new TritlensError("E_MODE", `${name} has no vector at a position`, {
      expected: "a site [batch, pos, ...]",
      found: `[${shape.join(", ")}]`,
    });
  const heads = shape.length === 4 ? (shape[2] as number) : undefined;
  if (head !== undefined && heads === undefined)
    throw new TritlensError("E_MODE", `${name} has no heads`, { expected: "a site [batch, pos, head, d_head]", found: `[${shape.join(", ")}]` });
  if (head !== undefined && !(Number.isInteger(head) && head >= 0 && head < (heads as number)))
    throw new TritlensError("E_RANGE", "no such head", { expected: `an integer in [0, ${heads})`, found: String(head) });
  return { name, heads };
}

/** The positions a caller means, one an example. @throws E_SHAPE, E_RANGE. */
export function positionsOf(pos: number | readonly number[], batch: number, count: number): number[] {
  const list = typeof pos === "number" ? new Array<number>(batch).fill(pos) : pos;
  if (list.length !== batch)
    throw new TritlensError("E_SHAPE", "one position an example is needed", { expected: `${batch}`, found: `${list.length}` });
  return list.map((p) => {
    const k = p < 0 ? p + count : p;
    if (Number.isInteger(k) && k >= 0 && k < count) return k;
    throw new TritlensError("E_RANGE", "no such position", { expected: `an integer in [${-count}, ${count})`, found: String(p) });
  });
}

/**
 * Activations of a site as [example, feature]: one row an example (or, with `pos: "all"`, one for every position, example by example).
 *
 * @throws E_NAME, E_MODE for a site without positions or heads, E_RANGE, E_SHAPE; and what `runWithCache` throws.
 * @example
 * ```ts
 * const x = siteActivations(model, tokens, "blocks.1.hook_resid_post");          // at the last position
 * const z = siteActivations(model, tokens, "blocks.0.attn.hook_z", { head: 2, pos: 3 });
 * ```
 */
export function siteActivations(model: Model, tokens: Tokens, site: string, { pos = -1, head }: SitePart = {}): Tensor {
  const { name, heads } = placeOfSite(model, site, head);
  const { batch, pos: count } = toTokenRows(tokens);
  const places = pos === "all" ? undefined : positionsOf(pos, batch, count);
  let out = new Float32Array(0);
  let width = 0;
  for (const part of exampleParts(model, tokens, [name])) {
    const whole = part.cache.get(name);
    const x = head === undefined || heads === undefined ? whole : whole.slice("head", head);
    width = x.size / (part.batch * count);
    const each = (places ? 1 : count) * width;
    if (part.from === 0) out = new Float32Array(batch * each);
    for (let b = 0; b < part.batch; b++) {
      const start = (b * count + (places?.[part.from + b] ?? 0)) * width;
      out.set(x.data.subarray(start, start + each), (part.from + b) * each);
    }
  }
  return Tensor.from(out, [out.length / width, width], ["example", "feature"]);
}
