/** Attention as shades of text. */

import { cellCount, padCells } from "./label.ts";
import { largest } from "./scale.ts";

const SHADES = " ░▒▓█";

/** A block character for a share: full for all, blank for less than an eighth. */
export function shade(weight: number): string {
  return SHADES[Math.round(Math.max(0, Math.min(1, weight)) * (SHADES.length - 1))] ?? "?";
}

/**
 * A row for every query with its keys from left to right, in the same order; cells are two characters wide, because those are about square.
 *
 * @param weights - [query, key].
 * @param labels - One a key; queries are the last of them.
 * @param shown - Keys drawn, the first of all, and at most so many queries.
 */
export function shadeMap(weights: ArrayLike<number>, labels: readonly string[], shown: number = labels.length): string {
  const keys = labels.length;
  const queries = keys === 0 ? 0 : weights.length / keys;
  const width = largest(labels.map(cellCount));
  const rows = Array.from({ length: Math.min(queries, shown) }, (_, q) => {
    const cells = Array.from({ length: shown }, (_, k) => shade(weights[q * keys + k] as number).repeat(2)).join("");
    return `${padCells(labels[keys - queries + q] as string, width)} ${cells}`.trimEnd();
  });
  return rows.join("\n");
}
