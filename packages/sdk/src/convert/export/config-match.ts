/** Whether a file would be read back as the model that is written: configurations compared field by field. */
import type { TransformerConfig } from "../../models/index.ts";

/** Fields that change no logit at any position. */
const IGNORED: ReadonlySet<string> = new Set(["stored", "init", "splitNorm", "quantSites", "unembedSites", "readout"]);

/** Some files keep numbers in 32 bits. */
const CLOSE = 1e-6;

/** The first field in which two configurations differ, or undefined. */
export function differingField(a: TransformerConfig, b: TransformerConfig): keyof TransformerConfig | undefined {
  return (Object.keys(a) as (keyof TransformerConfig)[]).find((key) => !IGNORED.has(key) && !isUnused(key, a) && !same(a[key], b[key]));
}

/** Fields without meaning beside the others. */
function isUnused(key: keyof TransformerConfig, c: TransformerConfig): boolean {
  if (key.startsWith("rotary")) return c.positions !== "rotary" || (key === "rotaryBase" && c.rotaryFreqs !== null);
  if (key === "linearNormEps") return !c.linearNorm;
  if (key === "plainMatrices") return c.quantizer === "none" && c.actQuant === "none" && !c.linearNorm;
  return false;
}

/** Equal, or numbers that a file cannot tell apart. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a === "number" && typeof b === "number") return a === b || Math.abs(a - b) <= CLOSE * Math.max(Math.abs(a), Math.abs(b));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]));
  return a === b;
}

/** A number as it was written before a file rounded it to 32 bits: the shortest decimal that rounds to it. */
export function shortest(x: number): number {
  if (x !== Math.fround(x)) return x;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
  return x;
}
