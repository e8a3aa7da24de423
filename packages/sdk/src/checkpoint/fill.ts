/** Fills one parameter of a program from a file. */
import type { Core, ProgramHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import type { FileTensor } from "./files.ts";
import type { Fill } from "./fills.ts";
import { FLOAT_BYTES, floatsOf } from "./floats.ts";
import { moveBytes, type Read } from "./move.ts";

/** A program that is being filled. */
export interface Target {
  readonly core: Core;
  readonly program: ProgramHandle;
}

/**
 * @throws E_FORMAT for codes that are none, E_NONFINITE for scales, E_IO, E_ABORTED, and what `read` throws.
 */
export async function fillParam({ core, program }: Target, fill: Fill, read: Read): Promise<void> {
  if (fill.how === "bytes") {
    core.openStored(program, fill.index, fill.format, fill.scale ? await scaleOf(fill.scale, read) : 1);
    await moveBytes(fill, read, (offset, bytes) => core.writeStored(program, fill.index, offset, bytes));
    core.finishStored(program, fill.index);
  } else if (fill.how === "floats") {
    core.writeParam(program, fill.index, await readFloats(fill, read));
  } else {
    const { codes, scale } = await codesOf(fill, read);
    core.setStoredCodes(program, fill.index, fill.format as "ternary2", 0, codes, Float32Array.of(scale), new Float32Array(0));
  }
}

/** Codes [out, in] and scale of a matrix that becomes ternary on the way. */
export function codesOf(fill: Fill, read: Read): Promise<Ternary> {
  return fill.how === "absmean" ? absmean(fill, read) : exactTernary(fill, read);
}

/** The number that codes are multiplied with. */
async function scaleOf({ tensor, divides }: { readonly tensor: FileTensor; readonly divides: boolean }, read: Read): Promise<number> {
  const bytes = new Uint8Array(tensor.byteLength);
  await read(tensor, 0, bytes);
  const [value] = floatsOf(tensor.type, bytes) as unknown as [number];
  const scale = divides ? 1 / value : value;
  if (Number.isFinite(scale) && scale > 0) return scale;
  throw new TritlensError("E_NONFINITE", `tensor "${tensor.name}"`, { expected: "a positive finite scale", found: String(value) });
}

/** All values of a parameter as f32, in the core's layout. */
export async function readFloats(fill: Fill, read: Read): Promise<Float32Array> {
  const out = new Float32Array(fill.param.shape.reduce((a, b) => a * b, 1));
  await eachPiece(fill, read, (at, values) => out.set(values, at));
  return out;
}

/** Pieces of a float parameter, with the index of their first value. */
function eachPiece(fill: Fill, read: Read, take: (at: number, values: Float32Array) => void): Promise<void> {
  const size = FLOAT_BYTES[fill.tensor.type] as number;
  return moveBytes(fill, read, (offset, bytes) => take(offset / size, floatsOf(fill.tensor.type, bytes)));
}

/** A ternary matrix. */
export interface Ternary {
  readonly codes: Int8Array;
  readonly scale: number;
}

/**
 * BitNet b1.58's quantiser (arXiv 2402.17764) as transformers computes it: s = 1 / max(mean|w|, 1e-5), codes = round(w s) within -1..1, values codes / s.
 * Two passes over the file, so that only codes are ever in memory.
 */
async function absmean(fill: Fill, read: Read): Promise<Ternary> {
  let sum = 0;
  await eachPiece(fill, read, (_, values) => {
    for (let i = 0; i < values.length; i++) sum += Math.abs(values[i] as number);
  });
  const count = fill.param.shape.reduce((a, b) => a * b, 1);
  const mean = Math.fround(Math.max(Math.fround(sum / count), Math.fround(1e-5)));
  requireFinite(fill, mean);
  const s = Math.fround(1 / mean);
  const codes = new Int8Array(count);
  await eachPiece(fill, read, (at, values) => {
    for (let i = 0; i < values.length; i++) {
      // Half is rounded to the even neighbour, which is 0.
      const x = Math.fround((values[i] as number) * s);
      codes[at + i] = x > 0.5 ? 1 : x < -0.5 ? -1 : 0;
    }
  });
  return { codes, scale: Math.fround(1 / s) };
}

/** Floats that are -s, 0 or s: how converters write BitNet's matrices in types without ternary blocks. */
async function exactTernary(fill: Fill, read: Read): Promise<Ternary> {
  const codes = new Int8Array(fill.param.shape.reduce((a, b) => a * b, 1));
  let scale = 0;
  await eachPiece(fill, read, (at, values) => {
    for (let i = 0; i < values.length; i++) {
      const x = values[i] as number;
      if (x === 0) continue;
      if (scale === 0) {
        requireFinite(fill, x);
        scale = Math.abs(x);
      }
      if (x !== scale && x !== -scale) throw notTernary(fill, scale, x);
      codes[at + i] = x > 0 ? 1 : -1;
    }
  });
  // A matrix of zeros has no scale of its own.
  return { codes, scale: scale || 1 };
}

function requireFinite({ tensor }: Fill, value: number): void {
  if (Number.isFinite(value)) return;
  throw new TritlensError("E_NONFINITE", `tensor "${tensor.name}"`, { expected: "finite weights", found: String(value) });
}

function notTernary({ tensor }: Fill, scale: number, found: number): TritlensError {
  return new TritlensError("E_FORMAT", `tensor "${tensor.name}": a matrix of this architecture is ternary`, {
    expected: `TQ1_0, TQ2_0, I2_S, or the values ${-scale}, 0 and ${scale}`,
    found: `${found} as ${tensor.type}`,
  });
}
