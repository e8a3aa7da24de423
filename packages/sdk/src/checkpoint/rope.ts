/**
 * Scaled rotary frequencies, worked out once from a checkpoint's parameters: linear interpolation (Chen et al. 2023, arXiv 2306.15595), YaRN (Peng et al.
 * 2023, arXiv 2309.00071) and Llama 3.1's scheme, with the formulas that transformers uses.
 */
import { TritlensError } from "../core/errors.ts";
import type { TransformerOptions } from "../models/index.ts";

/** A scheme and its numbers. */
export type RopeScaling =
  | { readonly kind: "default" }
  | { readonly kind: "linear"; readonly factor: number }
  | { readonly kind: "llama3"; readonly factor: number; readonly low: number; readonly high: number; readonly context: number }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly context: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Factor of cosine and sine. */
      readonly attention: number;
      /** Round the bounds of the ramp to whole dimensions. */
      readonly truncate: boolean;
    }
  /** Divisors of the frequencies, as GGUF's `rope_freqs.weight` has them. */
  | { readonly kind: "divisors"; readonly divisors: readonly number[] };

/** The part of a transformer's options that says how heads are rotated. */
export type RotaryOptions = Pick<TransformerOptions, "positions" | "rotaryDim" | "rotaryBase" | "rotaryFreqs" | "rotaryScale">;

/** Options of a model with rotary positions: `dim` entries of a head are rotated, with frequencies base^(-2i/dim) before scaling. */
export function rotaryOptions(dim: number, base: number, scaling: RopeScaling): RotaryOptions {
  const plain = { positions: "rotary", rotaryDim: dim, rotaryBase: base } as const;
  if (scaling.kind === "default") return plain;
  const freqs = Array.from({ length: dim / 2 }, (_, i) => 1 / base ** ((2 * i) / dim));
  const rotaryFreqs = scaled(freqs, dim, base, scaling);
  return { ...plain, rotaryFreqs, rotaryScale: scaling.kind === "yarn" ? scaling.attention : 1 };
}

function scaled(freqs: readonly number[], dim: number, base: number, scaling: Exclude<RopeScaling, { kind: "default" }>): number[] {
  switch (scaling.kind) {
    case "linear":
      return freqs.map((f) => f / scaling.factor);
    case "llama3":
      return freqs.map((f) => llama3(f, scaling));
    case "yarn":
      return yarn(freqs, dim, base, scaling);
    case "divisors":
      if (scaling.divisors.length !== freqs.length) {
        const [expected, found] = [`[${freqs.length}]`, `[${scaling.divisors.length}]`];
        throw new TritlensError("E_SHAPE", 'tensor "rope_freqs.weight"', { expected, found });
      }
      return freqs.map((f, i) => f / (scaling.divisors[i] as number));
  }
}

/** Waves longer than context/low are stretched, shorter than context/high are kept, and what lies between is mixed. */
function llama3(f: number, { factor, low, high, context }: Extract<RopeScaling, { kind: "llama3" }>): number {
  const wave = (2 * Math.PI) / f;
  if (wave < context / high) return f;
  if (wave > context / low) return f / factor;
  const smooth = (context / wave - low) / (high - low);
  return ((1 - smooth) * f) / factor + smooth * f;
}

/** Dimensions that turn more than betaFast times over the old context are kept, fewer than betaSlow stretched, with a linear ramp between. */
function yarn(freqs: readonly number[], dim: number, base: number, s: Extract<RopeScaling, { kind: "yarn" }>): number[] {
  const at = (turns: number): number => (dim * Math.log(s.context / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const [first, last] = s.truncate ? [Math.floor(at(s.betaFast)), Math.ceil(at(s.betaSlow))] : [at(s.betaFast), at(s.betaSlow)];
  const low = Math.max(first, 0);
  const top = Math.min(last, dim - 1);
  const high = top === low ? top + 0.001 : top;
  return freqs.map((f, i) => {
    const stretched = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (f / s.factor) * stretched + f * (1 - stretched);
  });
}

/** YaRN's attention factor where a checkpoint names none. */
export function yarnAttention(factor: number, mscale = 1): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}
