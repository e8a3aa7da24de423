/** What the corpora of hostile files share. Every file is made by code, byte by byte, without the library's own writers. */

/** One file of a corpus. */
export interface Row {
  /** As in the reliability study. */
  readonly id: string;
  /** Its mark there: R must be refused, A must be accepted, P is for a policy to decide (docs/guides/formats.md). */
  readonly want: "R" | "A" | "P";
  /** What happens here. `model` and `tokenizer`: the file opens, and building that from it is refused. */
  readonly verdict: "refused" | "opens" | "model" | "tokenizer";
  readonly bytes: () => Uint8Array;
}

/** Makes rows. */
export const refused = (id: string, bytes: () => Uint8Array): Row => ({ id, want: "R", verdict: "refused", bytes });
export const accepted = (id: string, bytes: () => Uint8Array): Row => ({ id, want: "A", verdict: "opens", bytes });
export const policy = (id: string, verdict: "refused" | "opens", bytes: () => Uint8Array): Row => ({ id, want: "P", verdict, bytes });
/** Opens, but nothing can be built from it. */
export const refusedLater = (id: string, verdict: "model" | "tokenizer", bytes: () => Uint8Array): Row => ({ id, want: "R", verdict, bytes });

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function u32(n: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, n, true);
  return out;
}

/** 64 bits; numbers beyond wrap around, negative ones too. */
export function u64(n: bigint | number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(n)), true);
  return out;
}

export function f32(...values: number[]): Uint8Array {
  const out = new Uint8Array(4 * values.length);
  const view = new DataView(out.buffer);
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  return out;
}
