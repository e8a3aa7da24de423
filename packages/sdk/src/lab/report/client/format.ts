/** How numbers read on the page. */

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 10 to the power `n`, as 10⁻³. */
export function powerOfTen(n: number): string {
  const digits = [...String(Math.abs(n))].map((d) => SUPERSCRIPT[Number(d)] ?? "").join("");
  return `10${n < 0 ? "⁻" : ""}${digits}`;
}

/** Decades that fall in [lo, hi], thinned to at most `most`. */
export function decades(lo: number, hi: number, most = 6): number[] {
  const from = Math.ceil(Math.log10(lo) - 1e-9);
  const to = Math.floor(Math.log10(hi) + 1e-9);
  const stride = Math.max(1, Math.ceil((to - from + 1) / most));
  const out: number[] = [];
  for (let n = to; n >= from; n -= stride) out.push(10 ** n);
  return out.reverse();
}

/** Label of a decade tick. */
export function decadeLabel(x: number): string {
  const n = Math.round(Math.log10(x));
  return n === 0 ? "1" : n === 1 ? "10" : powerOfTen(n);
}

/** A number with about three significant digits: 0.123, 12.3, 4.5e-7. */
export function number(x: number | null | undefined): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return x.toExponential(2).replace("-", "−").replace("e+", "e");
  return x.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 6 : 3 }).replace("-", "−");
}

/** A share as a percentage with one digit. */
export function percent(x: number | null | undefined): string {
  return x === null || x === undefined || !Number.isFinite(x) ? "–" : `${(100 * x).toFixed(1)} %`;
}

/** Epochs as 3k, 500. */
export function epochs(x: number): string {
  return x >= 1000 ? `${Number((x / 1000).toFixed(1))}k` : String(x);
}
