/** Small pictures of an attention head: text for a terminal, SVG for a page. */
import { TritlensError } from "../core/errors.ts";
import type { Tensor } from "../tensor/index.ts";

/** Which head, and how tokens are written. */
export interface AttentionOptions {
  /** Index of the head. */
  readonly head: number;
}

/** Weights of one head: a row of keys for each query. */
interface Head {
  readonly queries: number;
  readonly keys: number;
  at(query: number, key: number): number;
}

const SHADES = " ░▒▓█";
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
  const h = headOf(pattern, tokens, head);
  const labels = tokens.map(label);
  const width = Math.max(...labels.map((l) => l.length));
  if (h.queries === 1) {
    return labels.map((l, k) => `${l.padStart(width)} ${percent(h.at(0, k))} ${"█".repeat(Math.round(h.at(0, k) * 40))}`.trimEnd()).join("\n");
  }
  // Every cell is two characters wide, because those are about square.
  const rows = Array.from({ length: h.queries }, (_, q) => {
    const cells = labels.map((_, k) => (k > h.keys - h.queries + q ? "  " : shade(h.at(q, k)).repeat(2))).join("");
    return `${(labels[h.keys - h.queries + q] as string).padStart(width)} ${cells}`.trimEnd();
  });
  return rows.join("\n");
}

/**
 * The same map as SVG: rows are queries (who looks), columns are keys (what is looked at), darker is more.
 *
 * @param pattern - [1, head, query, key].
 * @param tokens - Text of every key; the queries are the last of them.
 * @throws E_SHAPE, E_RANGE.
 */
export function attentionSvg(pattern: Tensor, tokens: readonly string[], { head }: AttentionOptions): string {
  const h = headOf(pattern, tokens, head);
  const labels = tokens.map((t) => xml(label(t)));
  const [cell, margin] = [18, 8 + 8 * Math.max(...tokens.map((t) => label(t).length))];
  const cells: string[] = [];
  for (let q = 0; q < h.queries; q++) {
    for (let k = 0; k <= h.keys - h.queries + q; k++) {
      const weight = h.at(q, k).toFixed(3);
      const title = `${labels[h.keys - h.queries + q]} to ${labels[k]}: ${weight}`;
      cells.push(
        `<rect x="${margin + k * cell}" y="${margin + q * cell}" width="${cell}" height="${cell}" fill="#1f5fa8" fill-opacity="${weight}"><title>${title}</title></rect>`,
      );
    }
  }
  const rows = Array.from({ length: h.queries }, (_, q) => {
    return `<text x="${margin - 5}" y="${margin + (q + 0.72) * cell}" text-anchor="end">${labels[h.keys - h.queries + q]}</text>`;
  });
  const columns = labels.map((l, k) => `<text transform="translate(${margin + (k + 0.72) * cell} ${margin - 5}) rotate(-90)">${l}</text>`);
  const [width, height] = [margin + h.keys * cell + 8, margin + h.queries * cell + 8];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="monospace" font-size="12" xml:space="preserve">`,
    `<title>Attention of head ${head}</title>`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<rect x="${margin}" y="${margin}" width="${h.keys * cell}" height="${h.queries * cell}" fill="none" stroke="#ccc"/>`,
    ...cells,
    ...rows,
    ...columns,
    "</svg>",
    "",
  ].join("\n");
}

function headOf(pattern: Tensor, tokens: readonly string[], head: number): Head {
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
  const data = pattern.data.subarray(head * queries * keys, (head + 1) * queries * keys);
  return { queries, keys, at: (q, k) => data[q * keys + k] as number };
}

function shade(weight: number): string {
  return SHADES[Math.round(Math.max(0, Math.min(1, weight)) * (SHADES.length - 1))] ?? "?";
}

function percent(weight: number): string {
  return `${(100 * weight).toFixed(1).padStart(5)} %`;
}

/** A token in a few visible characters. */
function label(token: string): string {
  const visible = token
    .replace(/\n/g, "⏎")
    .replace(/ /g, "·")
    .replace(/\p{Cc}/gu, "?");
  const chars = [...visible];
  return chars.length > LABEL ? `${chars.slice(0, LABEL - 1).join("")}…` : visible;
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
