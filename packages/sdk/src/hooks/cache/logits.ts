/** From the residual stream to logits: what components add to the logit of a token, and what every layer would say. */
import { TritlensError } from "../../core/errors.ts";
import { Tensor } from "../../tensor/index.ts";
import { roomFor } from "../room.ts";
import { normForward } from "../virtual/norm.ts";
import type { ModelParts } from "../virtual/part.ts";
import { transposed } from "../virtual/rows.ts";
import { applyLn } from "./ln.ts";
import { accumulated } from "./residual.ts";
import { ResidualStack } from "./stack.ts";
import type { CacheView, PosSlice } from "./view.ts";

/** Tokens: one for everything, one an example, or one an example and position. */
export type TokenChoice = number | readonly number[] | readonly (readonly number[])[];

/** Options of {@link ActivationCache.logitAttrs}. */
export interface LogitAttrOptions {
  /** Whose logits. Text: `toSingleToken(model, " Mary")`. */
  readonly tokens: TokenChoice;
  /** Subtract these tokens' logits; the same form as `tokens`. */
  readonly incorrectTokens?: TokenChoice | undefined;
  /** The positions that the stack was cut to. */
  readonly posSlice?: PosSlice | undefined;
}

/** As {@link ActivationCache.logitAttrs}. */
export function logitAttrs(view: CacheView, stack: ResidualStack | Tensor, { tokens, incorrectTokens, posSlice }: LogitAttrOptions): ResidualStack {
  const tensor = stack instanceof ResidualStack ? stack.tensor : stack;
  const labels = stack instanceof ResidualStack ? stack.labels : Array.from({ length: tensor.shape[0] ?? 0 }, (_, i) => String(i));
  const scaled = applyLn(view, tensor, undefined, { posSlice });
  const directions = directionsOf(view.parts(), tensor, tokens, incorrectTokens);
  const d = tensor.shape.at(-1) as number;
  const { data } = scaled;
  const out = new Float32Array(data.length / d);
  for (let row = 0; row < out.length; row++) {
    let sum = 0;
    const [at, to] = [row * d, (row * d) % directions.length];
    for (let i = 0; i < d; i++) sum += (data[at + i] as number) * (directions[to + i] as number);
    out[row] = sum;
  }
  return new ResidualStack(Tensor.from(out, tensor.shape.slice(0, -1), tensor.axes.slice(0, -1)), labels);
}

/** Columns of W_U, one a row of a component or one for all; differences where there are wrong tokens. */
function directionsOf(parts: ModelParts, stack: Tensor, tokens: TokenChoice, wrong: TokenChoice | undefined): Float32Array {
  const [rows, without] = [tokenRows(stack, tokens, "tokens"), wrong === undefined ? undefined : tokenRows(stack, wrong, "incorrectTokens")];
  if (without && without.length !== rows.length)
    throw new TritlensError("E_SHAPE", "tokens and incorrectTokens differ in form", { expected: `${rows.length}`, found: `${without.length}` });
  const matrix = unembedding(parts);
  const d = parts.config.dModel;
  const column = (token: number): Float32Array => {
    if (Number.isInteger(token) && token >= 0 && (token + 1) * d <= matrix.length) return matrix.subarray(token * d, (token + 1) * d);
    throw new TritlensError("E_RANGE", "a token lies outside of the vocabulary", {
      expected: `an integer in [0, ${matrix.length / d})`,
      found: String(token),
    });
  };
  const out = new Float32Array(rows.length * d);
  for (const [i, token] of rows.entries()) {
    const minus = without ? column(without[i] as number) : undefined;
    column(token).forEach((x, k) => {
      out[i * d + k] = x - (minus?.[k] ?? 0);
    });
  }
  return out;
}

/** One token for all rows of a component, or one a row. */
function tokenRows({ shape, axes }: Tensor, tokens: TokenChoice, what: string): number[] {
  if (typeof tokens === "number") return [tokens];
  const rows = tokens as readonly (number | readonly number[])[];
  const [batch, pos] = ["batch", "pos"].map((axis) => (axes.includes(axis) ? (shape[axes.indexOf(axis)] as number) : undefined));
  const flat = rows.every((r) => typeof r === "number");
  const wrong = (expected: string): TritlensError =>
    new TritlensError("E_SHAPE", `${what} do not fit the stack`, { expected, found: describe(rows) });
  if (flat && rows.length === 1) return [...(rows as number[])];
  if (batch === undefined) throw wrong("one token: the stack has no batch axis");
  if (rows.length !== batch) throw wrong(`${batch} tokens, one an example`);
  if (flat) return (rows as number[]).flatMap((token) => new Array<number>(pos ?? 1).fill(token));
  if (rows.some((r) => typeof r === "number" || r.length !== (pos ?? 1))) throw wrong(`${batch} x ${pos ?? 1} tokens`);
  return rows.flat() as number[];
}

function describe(rows: readonly (number | readonly number[])[]): string {
  const [first] = rows;
  return typeof first === "object" ? `${rows.length} x ${first.length}` : String(rows.length);
}

/** W_U as it lies in memory, [class, d_model]. */
function unembedding(parts: ModelParts): Float32Array {
  return parts.read(parts.config.tiedEmbeddings ? "embed.W_E" : "unembed.W_U");
}

/** Options of {@link ActivationCache.logitLens}. */
export interface LogitLensOptions {
  /** Also the stream between attention and MLP. */
  readonly inclMid?: boolean;
  /** These positions only. */
  readonly posSlice?: PosSlice | undefined;
  /** These classes only, in this order; all when left out. */
  readonly classes?: readonly number[];
}

/** As {@link ActivationCache.logitLens}. */
export function logitLens(view: CacheView, { inclMid = false, posSlice, classes }: LogitLensOptions = {}): ResidualStack {
  const parts = view.parts();
  const { config: c } = parts;
  const { tensor, labels } = accumulated(view, undefined, { inclMid, posSlice });
  const steps = parts.norm("ln_final.", c.finalNorm, c.finalNormEps).map((step) => ({ ...step, floor: c.finalNormFloor }));
  const normed = steps.reduce((x, step) => normForward(x, c.dModel, step), tensor.data);
  const [matrix, bias] = chosen(parts, classes);
  const [rows, count] = [tensor.size / c.dModel, matrix.length / c.dModel];
  roomFor("the logits of all layers", rows * count);
  // W_U times the stream, because W_U lies [class, d_model]: turned round, only the answer is transposed.
  const turned = parts.matmul(matrix, transposed(normed, 0, rows, c.dModel, c.dModel), count, c.dModel, rows);
  const out = transposed(turned, 0, count, rows, rows);
  if (bias) for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (bias[i % count] as number);
  return new ResidualStack(Tensor.from(out, [...tensor.shape.slice(0, -1), count], [...tensor.axes.slice(0, -1), "class"]), labels);
}

function chosen(parts: ModelParts, classes: readonly number[] | undefined): [matrix: Float32Array, bias: Float32Array | undefined] {
  const [matrix, bias, d] = [unembedding(parts), parts.find("unembed.b_U"), parts.config.dModel];
  if (classes === undefined) return [matrix, bias];
  const wrong = classes.find((c) => !Number.isInteger(c) || c < 0 || c >= parts.config.dVocabOut);
  if (wrong !== undefined)
    throw new TritlensError("E_RANGE", "a class does not exist", { expected: `an integer in [0, ${parts.config.dVocabOut})`, found: `${wrong}` });
  const some = new Float32Array(classes.length * d);
  for (const [i, c] of classes.entries()) some.set(matrix.subarray(c * d, (c + 1) * d), i * d);
  return [some, bias && Float32Array.from(classes, (c) => bias[c] as number)];
}
