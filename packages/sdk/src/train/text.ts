/** Language modelling: examples whose targets are the next tokens. */
import { TritlensError } from "../core/errors.ts";
import type { Examples } from "./data.ts";
import { requireCount } from "./options.ts";

/**
 * Cuts a text into rows of `seq` tokens, each position's target being the token that follows it. What does not fill a row (and its last target) is left
 * out.
 *
 * @param text - Token ids, one after another.
 * @param seq - Tokens a row: the model's `nCtx`.
 * @returns Tokens [rows, pos] and targets [rows, pos], for a model with `readout: "all"`.
 * @throws E_RANGE when `seq` is no whole number of at least 1, E_SHAPE when the text is shorter than one row and a target.
 * @example
 * ```ts
 * const data = { train: nextTokens(text, 128), test: nextTokens(heldOut, 128) };
 * for await (const e of train(model, data, { steps: 1000, batchSize: 16, weightDecay: 0.1 })) console.log(e.step, e.loss);
 * ```
 */
export function nextTokens(text: ArrayLike<number>, seq: number): Examples {
  requireCount("seq", seq, 1);
  const rows = Math.floor((text.length - 1) / seq);
  if (rows < 1) throw new TritlensError("E_SHAPE", "the text is too short", { expected: `at least ${seq + 1} tokens`, found: String(text.length) });
  const all = Int32Array.from(text);
  return { tokens: { data: all.slice(0, rows * seq), shape: [rows, seq] }, targets: all.slice(1, rows * seq + 1) };
}
