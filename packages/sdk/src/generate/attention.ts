/** Small pictures of an attention head: text for a terminal, SVG for a page. */
import { TritlensError } from "../core/errors.ts";
import { type AttentionChart, drawSvg } from "../plots/index.ts";
import { cellCount, fitCells, padCells, visible } from "../plots/label.ts";
import { shadeMap } from "../plots/print-shades.ts";
import type { Tensor } from "../tensor/index.ts";

/** Which head, and how tokens are written. */
export interface AttentionOptions {
  /** Index of the head. */
  readonly head: number;
}

/** Characters of a token in a picture. */
const LABEL = 12;

/**
 * What each token attends to, as lines of text: a map with a row for every query and its keys from left to right, in the same order, or, when the pattern has
 * one query (a generated token), a bar for every key. A full block is all of a query's attention, a blank is less than an eighth of it.
 *
 * @param pattern - `hook_pattern` of one block, [1, head, query, key].
 * @param tokens - Text of every key (see `toStrTokens`); the queries are the last of them.
 * @throws E_SHAPE when pattern and tokens do not fit, E_RANGE for a head that does not exist.
 */
export function attentionText(pattern: Tensor, tokens: readonly string[], { head }: AttentionOptions): string {
  const weights = headOf(pattern, tokens, head);
  const labels = tokens.map(label);
  if (weights.length > tokens.length) return shadeMap(weights, labels);
  const width = Math.max(...labels.map(cellCount));
  const bar = (weight: number): string => "█".repeat(Math.round(Math.max(0, Math.min(1, weight)) * 40));
  return labels.map((l, k) => `${padCells(l, width)} ${percent(weights[k] as number)} ${bar(weights[k] as number)}`.trimEnd()).join("\n");
}

/**
 * The same map as SVG: rows are queries (who looks), columns are keys (what is looked at), darker is more.
 *
 * @param pattern - [1, head, query, key].
 * @param tokens - Text of every key; the queries are the last of them.
 * @throws E_SHAPE, E_RANGE.
 */
export function attentionSvg(pattern: Tensor, tokens: readonly string[], { head }: AttentionOptions): string {
  const weights = headOf(pattern, tokens, head);
  const chart: AttentionChart = { kind: "attention", title: `Attention of head ${head}`, tokens, heads: [{ name: `head ${head}`, weights }] };
  return drawSvg(chart);
}

/** Weights of one head, [query, key]. */
function headOf(pattern: Tensor, tokens: readonly string[], head: number): ArrayLike<number> {
  const [batch, heads = 0, queries = 0, keys = 0] = pattern.shape;
  if (pattern.shape.length !== 4 || batch !== 1 || keys !== tokens.length) {
    throw new TritlensError("E_SHAPE", "the pattern does not fit the tokens", {
      expected: `[1, head, query, ${tokens.length}]`,
      found: `[${pattern.shape.join(", ")}]`,
    });
  }
  if (!Number.isInteger(head) || head < 0 || head >= heads) {
    throw new TritlensError("E_RANGE", "there is no such head", { expected: `0 to ${heads - 1}`, found: String(head) });
  }
  return pattern.data.subarray(head * queries * keys, (head + 1) * queries * keys);
}

function percent(weight: number): string {
  return `${(100 * weight).toFixed(1).padStart(5)} %`;
}

/** A token in a few visible characters. */
function label(token: string): string {
  return fitCells(visible(token, true), LABEL);
}
