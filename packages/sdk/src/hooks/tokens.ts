/** What callers may pass as tokens, and its one checked form. */
import { requireAttached, TritlensError } from "../core/errors.ts";

/** Token ids laid out flat. */
export interface FlatTokens {
  /** Row-major ids. */
  readonly data: Int32Array;
  /** [batch, pos]. */
  readonly shape: readonly number[];
}

/** Rows of token ids: nested lists, one row as a flat list or typed array, or flat data with a shape [batch, pos]. */
export type Tokens = readonly (readonly number[])[] | readonly number[] | Int32Array | FlatTokens;

/** Checked tokens. */
export interface TokenRows {
  /** Row-major [batch, pos]. */
  readonly data: Int32Array;
  /** Number of rows. */
  readonly batch: number;
  /** Tokens a row. */
  readonly pos: number;
}

/**
 * Checks tokens and lays them out flat. Ids are compared with the vocabulary by the core (E_RANGE).
 *
 * @throws E_SHAPE for text, for empty or ragged rows and what is no tokens at all, E_RANGE for numbers that are no integers (NaN included), E_DETACHED for a transferred buffer.
 */
export function toTokenRows(tokens: Tokens): TokenRows {
  if (tokens instanceof Int32Array) return flat(tokens, [1, tokens.length]);
  if (isFlat(tokens)) return flat(tokens.data, tokens.shape);
  if (!Array.isArray(tokens)) throw noTokens(tokens);
  if (tokens.length > 0 && typeof tokens[0] === "number") return flat(integers(tokens as readonly number[]), [1, tokens.length]);
  const rows = tokens as readonly (readonly number[])[];
  const wrong = rows.findIndex((row) => !Array.isArray(row));
  if (wrong >= 0) throw noTokens(rows[wrong]);
  const pos = rows[0]?.length ?? 0;
  const ragged = rows.findIndex((row) => row.length !== pos);
  if (ragged >= 0)
    throw new TritlensError("E_SHAPE", `row ${ragged} of the tokens has another length`, {
      expected: String(pos),
      found: String(rows[ragged]?.length),
    });
  return flat(integers(rows.flat()), [rows.length, pos]);
}

function isFlat(tokens: unknown): tokens is FlatTokens {
  const { data, shape } = (tokens ?? {}) as Partial<FlatTokens>;
  return data instanceof Int32Array && Array.isArray(shape);
}

/** Text is the usual mistake: TransformerLens's models take it. */
function noTokens(found: unknown): TritlensError {
  const text = typeof found === "string" || (Array.isArray(found) && typeof found[0] === "string");
  return new TritlensError("E_SHAPE", "tokens are no token ids", {
    expected: "rows of token ids, such as toTokens(model, text), an Int32Array, or { data: Int32Array, shape: [batch, pos] }",
    found: text ? "text" : found === null ? "null" : typeof found,
  });
}

function flat(data: Int32Array, shape: readonly number[]): TokenRows {
  requireAttached("the tokens", data);
  const [batch, pos] = shape;
  const good = shape.length === 2 && Number.isInteger(batch) && Number.isInteger(pos) && (batch as number) > 0 && (pos as number) > 0;
  if (!good || (batch as number) * (pos as number) !== data.length) {
    throw new TritlensError("E_SHAPE", "tokens do not fit their shape", {
      expected: "[batch, pos] with at least one token",
      found: `${data.length} tokens as [${shape.join(", ")}]`,
    });
  }
  return { data, batch: batch as number, pos: pos as number };
}

function integers(list: readonly number[]): Int32Array {
  const wrong = list.findIndex((x) => !Number.isInteger(x) || x < 0 || x > 0x7fffffff);
  if (wrong >= 0)
    throw new TritlensError("E_RANGE", `token ${wrong} is no token id`, { expected: "an integer of at least 0", found: String(list[wrong]) });
  return Int32Array.from(list);
}
