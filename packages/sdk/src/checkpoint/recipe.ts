/** What an architecture's reader hands to the loader: a configuration, and where the values of each parameter stand in the files. */
import { TritlensError } from "../core/errors.ts";
import type { TransformerConfig } from "../models/index.ts";
import type { Fields } from "./fields.ts";

/** Which tensors there are. */
export interface TensorNames {
  readonly size: number;
  has(name: string): boolean;
}

/** Names of architectures as users see them. */
export const ARCHITECTURES = ["gpt2", "gpt_neox", "llama", "qwen2", "qwen3", "bitnet"] as const;

/** One of the supported architectures. */
export type Architecture = (typeof ARCHITECTURES)[number];

/**
 * Which rows of a tensor make a parameter: blocks of `block` rows, block i from the tensor's row `at(i)`; within a block row j comes from the block's row
 * `order[j]`. `of` is how many rows the tensor has. Rows of a transposed tensor are its columns.
 */
export interface RowMap {
  readonly of: number;
  readonly block: number;
  readonly at: (block: number) => number;
  readonly order?: readonly number[];
}

/**
 * How a matrix becomes ternary: `multiply` and `divide` are packed U8 rows with a scale tensor that is multiplied with or divided by; `absmean` is
 * quantised at load as BitNet b1.58 does at run time; `ternary` is packed in the file, or holds -s, 0 and s as floats.
 */
export type Packing = "multiply" | "divide" | "absmean" | "ternary";

/** Where one parameter comes from. */
export interface WeightSource {
  /** The model's parameter. */
  readonly param: string;
  /** The file's tensor. */
  readonly tensor: string;
  readonly rows?: RowMap;
  /** The tensor is [in, out] (GPT-2's Conv1D). */
  readonly transposed?: true;
  readonly packing?: Packing;
}

/** Everything the loader needs to know. */
export interface Recipe {
  readonly architecture: Architecture;
  readonly config: TransformerConfig;
  readonly weights: readonly WeightSource[];
  /** Tensors that may be in the file and are not read: buffers, a copy of tied embeddings. */
  readonly ignored: RegExp;
}

/** Widest head that is believed: its frequencies and row orders are worked out before any tensor is looked at. */
const MOST_HEAD = 1 << 14;

/**
 * Number of blocks. One tensor of each has to be there, so that a wrong number is refused before lists and graphs of that many are made.
 *
 * @param probe - Name of a tensor that every block has.
 * @throws E_SPEC for a number that cannot be, E_NAME for the first tensor that is missing.
 */
export function blockCount(f: Fields, key: string, tensors: TensorNames, probe: (block: number) => string, fallback?: number): number {
  const count = f.integer(key, fallback, Math.max(1, tensors.size));
  for (let i = 0; i < count; i++) {
    const name = probe(i);
    if (tensors.has(name)) continue;
    throw new TritlensError("E_NAME", `the checkpoint lacks tensor "${name}" ("${key}" is ${count})`, {
      expected: name,
      found: `${tensors.size} other tensors`,
    });
  }
  return count;
}

/** Width of a head. @throws E_SPEC. */
export function headWidth(f: Fields, key: string, fallback: number): number {
  return f.integer(key, fallback, MOST_HEAD);
}

/** Consecutive rows `from` .. of a tensor of `of` rows. */
export function slice(from: number, count: number, of: number): RowMap {
  return { of, block: count, at: () => from };
}

/** The refusal of what is not supported, with the list of what is. */
export function unsupported(where: string, key: string, found: string, reason?: string): TritlensError {
  return new TritlensError("E_SPEC", `${where}: "${key}" names a model that is not supported${reason ? `: ${reason}` : ""}`, {
    expected: `one of ${ARCHITECTURES.join(", ")}`,
    found,
  });
}
