/**
 * The scaling of rotary frequencies, found again from the frequencies. A configuration keeps frequencies only; files want the scheme and its numbers. Whatever is found here was checked: it gives
 * exactly these frequencies back.
 */
import { type RopeScaling, rotaryOptions, yarnAttention } from "../../checkpoint/rope.ts";
import type { TransformerConfig } from "../../models/index.ts";
import { same, shortest } from "./config-match.ts";

/** What all published checkpoints of these schemes have. */
const LLAMA3 = { low: 1, high: 4 } as const;
const YARN = { betaFast: 32, betaSlow: 1, truncate: true } as const;

/** The scheme behind a configuration's frequencies; `divisors` when it is none that has a name, undefined when no file can say it. */
export function ropeScaling(c: TransformerConfig): RopeScaling | undefined {
  if (c.rotaryFreqs === null) return c.rotaryScale === 1 ? { kind: "default" } : undefined;
  const divisors = c.rotaryFreqs.map((f, i) => c.rotaryBase ** ((-2 * i) / c.rotaryDim) / f);
  const named = candidates(c, shortest(Math.fround(Math.max(...divisors)))).find((scaling) => gives(c, scaling));
  return named ?? (c.rotaryScale === 1 ? { kind: "divisors", divisors } : undefined);
}

/** Slow waves are stretched by the whole factor in every scheme. */
function candidates(c: TransformerConfig, factor: number): RopeScaling[] {
  const contexts = [c.nCtx / factor, ...Array.from({ length: 18 }, (_, k) => 2 ** (k + 3))].filter(Number.isInteger);
  return [
    { kind: "linear", factor },
    ...contexts.map((context): RopeScaling => ({ kind: "llama3", factor, context, ...LLAMA3 })),
    ...contexts.map((context): RopeScaling => ({ kind: "yarn", factor, context, attention: c.rotaryScale, ...YARN })),
  ];
}

function gives(c: TransformerConfig, scaling: RopeScaling): boolean {
  const { rotaryFreqs, rotaryScale = 1 } = rotaryOptions(c.rotaryDim, c.rotaryBase, scaling);
  return same(rotaryFreqs, c.rotaryFreqs) && same(rotaryScale, c.rotaryScale);
}

/** YaRN's attention factor beyond the one that follows from its factor, as llama.cpp counts it. */
export function extraAttention(scaling: Extract<RopeScaling, { kind: "yarn" }>): number {
  return scaling.attention / yarnAttention(scaling.factor);
}
