/** Counts the zeros of a tensor in its file, piece by piece. */
import { TritlensError } from "../core/errors.ts";
import { ggmlTypeNamed } from "../io/index.ts";
import type { FileTensor } from "./files.ts";
import type { Read } from "./move.ts";

/** Bytes a piece, about. */
const PIECE = 4 << 20;

/** Counts in whole blocks. */
type Count = (bytes: Uint8Array) => number;

/** For every byte: how many of its `digits` of 2 bits are 1, the code of zero. */
const PAIRS: Uint8Array = Uint8Array.from({ length: 256 }, (_, b) => [0, 2, 4, 6].filter((s) => ((b >> s) & 3) === 1).length);
/** For every byte of TQ1_0: how many of its first 5 (or 4) base-3 digits are 1. */
const trits = (digits: number): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, b) => Array.from({ length: digits }, (_, n) => (((b * 3 ** n) & 255) * 3) >> 8).filter((d) => d === 1).length);
const [FIVE, FOUR] = [trits(5), trits(4)];

function sum(table: Uint8Array, bytes: Uint8Array, from: number, to: number): number {
  let n = 0;
  for (let i = from; i < to; i++) n += table[bytes[i] as number] as number;
  return n;
}

/** Counts block by block. */
function blocks(size: number, inBlock: (bytes: Uint8Array, at: number) => number): Count {
  return (bytes) => {
    let n = 0;
    for (let at = 0; at < bytes.byteLength; at += size) n += inBlock(bytes, at);
    return n;
  };
}

/** Elements of `size` bytes whose bits are all 0 but for the sign. */
function floats(size: 2 | 4): Count {
  const top = size - 1;
  return blocks(size, (bytes, at) => {
    if (((bytes[at + top] as number) & 0x7f) !== 0) return 0;
    for (let i = 0; i < top; i++) if (bytes[at + i] !== 0) return 0;
    return 1;
  });
}

function equal(bytes: Uint8Array, from: number, to: number, test: (b: number) => number): number {
  let n = 0;
  for (let i = from; i < to; i++) n += test(bytes[i] as number);
  return n;
}

/** Blocks in which a scale stands beside codes, of which one means zero. Types whose zeros are not a code (Q4_K, Q6_K) have none here. */
const COUNTS: ReadonlyMap<string, Count> = new Map<string, Count>([
  ["F32", floats(4)],
  ["F16", floats(2)],
  ["BF16", floats(2)],
  ["U8", (bytes) => sum(PAIRS, bytes, 0, bytes.byteLength)],
  ["I2_S", (bytes) => sum(PAIRS, bytes, 0, bytes.byteLength)],
  ["TQ2_0", blocks(66, (b, at) => sum(PAIRS, b, at, at + 64))],
  ["TQ1_0", blocks(54, (b, at) => sum(FIVE, b, at, at + 48) + sum(FOUR, b, at + 48, at + 52))],
  ["Q2_0", blocks(18, (b, at) => sum(PAIRS, b, at + 2, at + 18))],
  ["Q8_0", blocks(34, (b, at) => equal(b, at + 2, at + 34, (x) => Number(x === 0)))],
  ["Q4_0", blocks(18, (b, at) => equal(b, at + 2, at + 18, (x) => Number((x & 15) === 8) + Number(x >> 4 === 8)))],
  ["Q1_0", () => 0],
]);

/**
 * Zeros of a tensor; undefined for types whose zeros are no code.
 *
 * @throws E_IO, E_ABORTED, and what `read` throws.
 */
export async function countZeros(tensor: FileTensor, read: Read): Promise<number | undefined> {
  const count = COUNTS.get(tensor.type);
  if (!count) return undefined;
  const type = tensor.type === "U8" ? { bytes: 1, tail: 0 } : ggmlTypeNamed(tensor.type);
  if (!type) throw new TritlensError("E_FORMAT", `tensor "${tensor.name}"`, { expected: "a type with a size", found: tensor.type });
  const length = tensor.byteLength - type.tail;
  const step = Math.max(1, Math.floor(PIECE / type.bytes)) * type.bytes;
  const buffer = new Uint8Array(Math.min(step, length));
  let zeros = 0;
  for (let at = 0; at < length; at += step) {
    const piece = buffer.subarray(0, Math.min(step, length - at));
    await read(tensor, at, piece);
    zeros += count(piece);
  }
  return zeros;
}
