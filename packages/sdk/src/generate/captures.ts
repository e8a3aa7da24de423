/** Captures of a prompt that was computed in chunks, put together as if it had been computed at once. */
import { ActivationCache } from "../hooks/index.ts";
import { Tensor } from "../tensor/index.ts";

/** Joins along the positions. Keys that a chunk could not see yet are masked: 0 in a pattern, -inf in scores. */
export function joinCaptures(parts: readonly ActivationCache[]): ActivationCache {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first ?? new ActivationCache(new Map());
  return first.withTensors(
    new Map(
      first.keys().map((name) => [
        name,
        join(
          parts.map((part) => part.get(name)),
          name.endsWith("scores") ? Number.NEGATIVE_INFINITY : 0,
        ),
      ]),
    ),
  );
}

function join(parts: readonly Tensor[], masked: number): Tensor {
  const last = parts.at(-1) as Tensor;
  const along = Math.max(last.axes.indexOf("pos"), last.axes.indexOf("query"));
  if (along < 0) return last;
  const keys = last.axes.includes("key") ? (last.shape.at(-1) as number) : undefined;
  const positions = parts.reduce((n, part) => n + (part.shape[along] as number), 0);
  const shape = last.shape.map((d, i) => (i === along ? positions : d));
  // Rows are what lies behind the positions; a row of keys may be shorter than the last chunk's.
  const row = shape.slice(along + 1).reduce((n, d) => n * d, 1);
  const outer = shape.slice(0, along).reduce((n, d) => n * d, 1);
  const out = new Float32Array(outer * positions * row).fill(masked);
  let done = 0;
  for (const part of parts) {
    const mine = part.shape[along] as number;
    const width = keys === undefined ? row : (part.shape.at(-1) as number);
    for (let o = 0; o < outer; o++) {
      for (let p = 0; p < mine; p++) {
        const from = (o * mine + p) * width;
        out.set(part.data.subarray(from, from + width), (o * positions + done + p) * row);
      }
    }
    done += mine;
  }
  return Tensor.from(out, shape, last.axes);
}
