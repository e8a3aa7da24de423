/** Where the lengths, counts and offsets of a well-formed file lie, so that mutations can aim at them. */
import { type Dice, EDGES, type Mutation } from "./engine.ts";

/** A field of 4 or 8 bytes. */
interface Field {
  readonly at: number;
  readonly bytes: 4 | 8;
}

const WIDTH: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** All fields of a GGUF file up to where it stops making sense. */
export function ggufFields(file: Uint8Array): Field[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fields: Field[] = [];
  let at = 4;
  const word = (): number => {
    fields.push({ at, bytes: 4 });
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const long = (): number => {
    fields.push({ at, bytes: 8 });
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const text = (): void => {
    // Not `at += long()`, which would add to the place before the length.
    const length = long();
    at += length;
  };
  const value = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const of = word();
      for (let n = long(); n > 0 && at < file.length; n--) value(of);
    } else at += WIDTH[type] ?? file.length;
  };
  try {
    word();
    const [tensors, keys] = [long(), long()];
    for (let i = 0; i < keys && at < file.length; i++) {
      text();
      value(word());
    }
    for (let i = 0; i < tensors && at < file.length; i++) {
      text();
      for (let n = word(); n > 0 && at < file.length; n--) long();
      word();
      long();
    }
  } catch {
    // The file ends here, or its fields lead nowhere: what was found is enough.
  }
  return fields.filter((field) => field.at + field.bytes <= file.length);
}

/** A value at which code goes wrong, or one beside the right one or the file's length. */
function edge(dice: Dice, now: bigint, length: number): bigint {
  return dice.pick([...EDGES, now + 1n, now - 1n, now * 2n, BigInt(length), BigInt(length) + 1n, BigInt(length) - 1n]);
}

/** Sets one field of a GGUF file. */
export const setGgufField: Mutation = (bytes, dice) => {
  const fields = ggufFields(bytes);
  if (fields.length === 0) return bytes;
  const out = bytes.slice();
  const { at, bytes: width } = dice.pick(fields);
  const view = new DataView(out.buffer);
  if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, edge(dice, BigInt(view.getUint32(at, true)), out.length))), true);
  else view.setBigUint64(at, BigInt.asUintN(64, edge(dice, view.getBigUint64(at, true), out.length)), true);
  return out;
};

/** Sets the length of a safetensors header. */
export const setHeaderLength: Mutation = (bytes, dice) => {
  if (bytes.length < 8) return bytes;
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt.asUintN(64, edge(dice, view.getBigUint64(0, true), out.length)), true);
  return out;
};

/** Rewrites the JSON of a safetensors file, and corrects the header's length. */
function onHeader(bytes: Uint8Array, change: (text: string) => string): Uint8Array {
  const length = bytes.length < 8 ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(bytes.length - 8, 1 << 16))) return bytes;
  // latin1 keeps every byte.
  const header = Buffer.from(change(Buffer.from(bytes.subarray(8, 8 + Number(length))).toString("latin1")), "latin1");
  const payload = bytes.subarray(8 + Number(length));
  const out = new Uint8Array(8 + header.length + payload.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(header.length), true);
  out.set(header, 8);
  out.set(payload, 8 + header.length);
  return out;
}

/** One match of a pattern, replaced. */
function replaceOne(text: string, pattern: RegExp, dice: Dice, by: (match: RegExpExecArray) => string): string {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const match = dice.pick(found);
  return text.slice(0, match.index) + by(match) + text.slice(match.index + match[0].length);
}

/** Replaces one number of the header by an edge, or by another of its numbers. */
export const setHeaderNumber: Mutation = (bytes, dice) =>
  onHeader(bytes, (text) =>
    replaceOne(text, /\d+/g, dice, ([now]) =>
      dice.below(2) ? String(edge(dice, BigInt(now), bytes.length)) : dice.pick(text.match(/\d+/g) as string[]),
    ),
  );

/** Moves one tensor, without changing its size. */
export const moveTensor: Mutation = (bytes, dice) =>
  onHeader(bytes, (text) => {
    const by = dice.below(64) - 32;
    return replaceOne(text, /\[(\d+),(\d+)\]\}/g, dice, ([, begin, end]) => `[${Number(begin) + by},${Number(end) + by}]}`);
  });
