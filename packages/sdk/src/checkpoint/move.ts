/** Moves the bytes of a tensor in pieces of a few MB: straight through, row block by row block, or transposed. */
import type { FileTensor } from "./files.ts";
import type { Fill } from "./fills.ts";
import { FLOAT_BYTES } from "./floats.ts";
import type { RowMap } from "./recipe.ts";

/** Largest piece. */
const PIECE = 4 << 20;
/** A transposed tensor up to this size is read at once; larger ones in bands of columns. */
const BAND = 16 << 20;

/** Takes a piece at its offset in the parameter. The bytes are only lent. */
export type Take = (offset: number, bytes: Uint8Array) => void;
/** Fills `into` with a tensor's bytes from `offset` on; where reading is counted and may be aborted. */
export type Read = (tensor: FileTensor, offset: number, into: Uint8Array) => Promise<void>;

/** Bytes of one row, and of what follows the last one (I2_S has a scale there). */
function rowBytes({ type, shape, byteLength }: FileTensor): { row: number; tail: number } {
  const rows = shape[0] as number;
  const tail = type === "I2_S" ? 32 : 0;
  return { row: (byteLength - tail) / rows, tail };
}

/** Hands over a parameter's bytes in the order in which the core wants them. */
export async function moveBytes({ tensor, rows, transposed, param }: Fill, read: Read, take: Take): Promise<void> {
  if (transposed) return moveTransposed(tensor, rows, param.shape[0] as number, read, take);
  if (!rows) return stream(tensor, 0, tensor.byteLength, 0, read, take);
  const { row, tail } = rowBytes(tensor);
  const size = rows.block * row;
  const count = (param.shape[0] as number) / rows.block;
  for (let b = 0; b < count; b++) {
    if (rows.order) await ordered(tensor, rows.at(b) * row, rows.order, row, b * size, read, take);
    else await stream(tensor, rows.at(b) * row, size, b * size, read, take);
  }
  if (tail > 0) await stream(tensor, tensor.byteLength - tail, tail, count * size, read, take);
}

async function stream(tensor: FileTensor, from: number, length: number, to: number, read: Read, take: Take): Promise<void> {
  const buffer = new Uint8Array(Math.min(PIECE, length));
  for (let at = 0; at < length; at += PIECE) {
    const piece = buffer.subarray(0, Math.min(PIECE, length - at));
    await read(tensor, from + at, piece);
    take(to + at, piece);
  }
}

async function ordered(tensor: FileTensor, from: number, order: readonly number[], row: number, to: number, read: Read, take: Take): Promise<void> {
  const block = new Uint8Array(order.length * row);
  await read(tensor, from, block);
  const out = new Uint8Array(block.byteLength);
  for (const [r, source] of order.entries()) out.set(block.subarray(source * row, (source + 1) * row), r * row);
  take(to, out);
}

/** [in, columns] to [out, in]: `rows` says which columns; a band of them is gathered, turned and handed over. */
async function moveTransposed(tensor: FileTensor, rows: RowMap | undefined, out: number, read: Read, take: Take): Promise<void> {
  const [inputs, columns] = tensor.shape as [number, number];
  const size = FLOAT_BYTES[tensor.type] as number;
  const first = rows ? rows.at(0) : 0;
  const width = Math.max(1, Math.min(out, Math.floor(BAND / (inputs * size))));
  for (let at = 0; at < out; at += width) {
    const count = Math.min(width, out - at);
    const band = new Uint8Array(inputs * count * size);
    if (count === columns) await read(tensor, 0, band);
    else
      for (let i = 0; i < inputs; i++) await read(tensor, (i * columns + first + at) * size, band.subarray(i * count * size, (i + 1) * count * size));
    take(at * inputs * size, turn(band, inputs, count, size));
  }
}

function turn(band: Uint8Array, inputs: number, count: number, size: number): Uint8Array {
  const Elements = size === 4 ? Uint32Array : Uint16Array;
  const from = new Elements(band.buffer as ArrayBuffer);
  const to = new Elements(from.length);
  for (let i = 0; i < inputs; i++) for (let o = 0; o < count; o++) to[o * inputs + i] = from[i * count + o] as number;
  return new Uint8Array(to.buffer);
}
