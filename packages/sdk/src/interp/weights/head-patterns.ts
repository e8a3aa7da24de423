/** What the attention of well-known kinds of heads looks like on given tokens. */
import { Tensor, unknownName } from "tritlens";

/** Kinds of heads that have a pattern of their own. */
export type HeadName = "previous_token_head" | "duplicate_token_head" | "induction_head";
/** All of {@link HeadName}. */
export const HEAD_NAMES: readonly HeadName[] = ["previous_token_head", "duplicate_token_head", "induction_head"];

/**
 * The pattern of a kind of head, [query, key] of 0 and 1: `previous_token_head` looks at the token before, `duplicate_token_head` at earlier copies of the current token,
 * `induction_head` at what followed them.
 *
 * What an ideal head of this kind would do. Real heads of the kind also rest on the first token: see `excludeBos` of {@link detectHead}.
 *
 * @param tokens - One sequence.
 * @throws E_NAME for another kind.
 */
export function headPattern(kind: HeadName, tokens: ArrayLike<number>): Tensor {
  const wanted = looksFor(kind, tokens);
  const n = tokens.length;
  const data = new Float32Array(n * n);
  for (let q = 0; q < n; q++) for (let k = 0; k <= q; k++) data[q * n + k] = wanted(q, k) ? 1 : 0;
  return Tensor.from(data, [n, n], ["query", "key"]);
}

function looksFor(kind: HeadName, tokens: ArrayLike<number>): (query: number, key: number) => boolean {
  switch (kind) {
    case "previous_token_head":
      return (q, k) => k === q - 1;
    case "duplicate_token_head":
      return (q, k) => k < q && tokens[k] === tokens[q];
    case "induction_head":
      // The copy itself must stand before the query: a token is no duplicate of itself.
      return (q, k) => k > 0 && k - 1 < q && tokens[k - 1] === tokens[q];
    default:
      throw unknownName("kind of head", String(kind), HEAD_NAMES);
  }
}
