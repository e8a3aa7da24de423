/** Element types of tensors in GGUF files: ggml's numbers, blocks and bytes. */

/** How a type is stored: rows are cut into blocks of `block` elements of `bytes` bytes each; `tail` bytes follow the whole tensor. */
export interface GgmlType {
  /** ggml's name, without its prefix. */
  readonly name: string;
  /** ggml's number. */
  readonly id: number;
  /** Elements a block. */
  readonly block: number;
  /** Bytes a block. */
  readonly bytes: number;
  /** Bytes behind all blocks of a tensor. */
  readonly tail: number;
}

/**
 * Every type with a number in ggml (2026), BitNet's fork (I2_S) and PrismML's (PQ2_0, PTQ1_0). Numbers that ggml has taken back, and those that nobody
 * has given yet, are none: the size of such a tensor is not known, so the file is refused.
 */
const ROWS: readonly (readonly [name: string, id: number, block: number, bytes: number, tail?: number])[] = [
  ["F32", 0, 1, 4],
  ["F16", 1, 1, 2],
  ["Q4_0", 2, 32, 18],
  ["Q4_1", 3, 32, 20],
  ["Q5_0", 6, 32, 22],
  ["Q5_1", 7, 32, 24],
  ["Q8_0", 8, 32, 34],
  ["Q8_1", 9, 32, 36],
  ["Q2_K", 10, 256, 84],
  ["Q3_K", 11, 256, 110],
  ["Q4_K", 12, 256, 144],
  ["Q5_K", 13, 256, 176],
  ["Q6_K", 14, 256, 210],
  ["Q8_K", 15, 256, 292],
  ["IQ2_XXS", 16, 256, 66],
  ["IQ2_XS", 17, 256, 74],
  ["IQ3_XXS", 18, 256, 98],
  ["IQ1_S", 19, 256, 50],
  ["IQ4_NL", 20, 32, 18],
  ["IQ3_S", 21, 256, 110],
  ["IQ2_S", 22, 256, 82],
  ["IQ4_XS", 23, 256, 136],
  ["I8", 24, 1, 1],
  ["I16", 25, 1, 2],
  ["I32", 26, 1, 4],
  ["I64", 27, 1, 8],
  ["F64", 28, 1, 8],
  ["IQ1_M", 29, 256, 56],
  ["BF16", 30, 1, 2],
  ["TQ1_0", 34, 256, 54],
  ["TQ2_0", 35, 256, 66],
  ["I2_S", 36, 4, 1, 32],
  ["MXFP4", 39, 32, 17],
  ["NVFP4", 40, 64, 36],
  ["Q1_0", 41, 128, 18],
  ["Q2_0", 42, 64, 18],
  ["PQ2_0", 142, 128, 34],
  ["PTQ1_0", 143, 128, 28],
];

const TYPES: readonly GgmlType[] = ROWS.map(([name, id, block, bytes, tail = 0]) => ({ name, id, block, bytes, tail }));
const BY_ID: ReadonlyMap<number, GgmlType> = new Map(TYPES.map((type) => [type.id, type]));
const BY_NAME: ReadonlyMap<string, GgmlType> = new Map(TYPES.map((type) => [type.name, type]));

/** Numbers that stand for something without a size of its own, for messages. */
const GONE: ReadonlyMap<number, string> = new Map([
  [4, "Q4_2, which ggml has removed"],
  [5, "Q4_3, which ggml has removed"],
  [31, "Q4_0_4_4, which ggml has removed"],
  [32, "Q4_0_4_8, which ggml has removed"],
  [33, "Q4_0_8_8, which ggml has removed"],
  [37, "I8_S of BitNet's fork or IQ4_NL_4_8, which ggml has removed"],
  [38, "TL1 of BitNet's fork, whose layout depends on the machine"],
]);

/** A type by ggml's number. */
export function ggmlTypeOf(id: number): GgmlType | undefined {
  return BY_ID.get(id);
}

/** A type by its name. */
export function ggmlTypeNamed(name: string): GgmlType | undefined {
  return BY_NAME.get(name);
}

/** What a number without a type stands for. */
export function goneType(id: number): string {
  return GONE.has(id) ? `${id} (${GONE.get(id)})` : String(id);
}

/** Names of all types. */
export function ggmlTypeNames(): string[] {
  return [...BY_NAME.keys()];
}

/**
 * Bytes of a tensor.
 *
 * @param shape - Extents, outermost first; [] is one element.
 * @returns undefined when a row is no whole number of blocks, or the size is not exact in a double.
 */
export function ggmlBytes(type: GgmlType, shape: readonly number[]): number | undefined {
  let elements = 1;
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0 || elements * d > Number.MAX_SAFE_INTEGER) return undefined;
    elements *= d;
  }
  if ((shape.at(-1) ?? 1) % type.block !== 0) return undefined;
  const bytes = (elements / type.block) * type.bytes + (elements > 0 ? type.tail : 0);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
