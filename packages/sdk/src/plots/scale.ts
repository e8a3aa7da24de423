/** Numbers: ranges, ticks, places on an axis, and how they are written. */

/** An axis: its range and ticks, and where a value lies on it, 0 to 1 (NaN for what is not finite, or not above 0 on a logarithmic axis). */
export interface Axis {
  readonly lo: number;
  readonly hi: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
  place(value: number): number;
}

/** The largest of many numbers (more than a call takes arguments), at least `least`. */
export function largest(values: Iterable<number>, least = 0): number {
  let most = least;
  for (const v of values) if (v > most) most = v;
  return most;
}

/** Least and largest finite value, those above 0 for a logarithmic axis; null when there is none. */
export function extent(values: Iterable<number>, log = false): [lo: number, hi: number] | null {
  let [lo, hi] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of values) {
    if (!Number.isFinite(v) || (log && v <= 0)) continue;
    if (v < lo) lo = v;
    if (v > hi) hi = v;
  }
  return lo <= hi ? [lo, hi] : null;
}

/** An axis with some room at its ends, none at an end that is 0. */
export function linearAxis(range: readonly [number, number], count: number): Axis {
  const [lo, hi] = widened(range);
  const pad = (hi - lo) * 0.04;
  return between(lo === 0 ? 0 : lo - pad, hi === 0 ? 0 : hi + pad, roundStep((hi - lo) / Math.max(1, count)));
}

/** An axis that ends where the data ends. */
export function tightAxis(range: readonly [number, number], count: number, whole = false): Axis {
  const [lo, hi] = widened(range);
  return between(lo, hi, Math.max(whole ? 1 : 0, roundStep((hi - lo) / Math.max(1, count))));
}

function between(lo: number, hi: number, step: number): Axis {
  const ticks: { at: number; text: string }[] = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++) ticks.push({ at: i * step, text: tickText(i * step, step) });
  return { lo, hi, ticks, place: (v) => (Number.isFinite(v) ? (Math.max(lo, Math.min(hi, v)) - lo) / (hi - lo) : Number.NaN) };
}

/** A logarithmic axis with ticks at powers of ten, and between them when there are few. */
export function logAxis([low, high]: readonly [number, number], count: number): Axis {
  const [lo, hi] = low < high ? [low, high] : [low / 2, high * 2];
  const [a, b] = [Math.log10(lo), Math.log10(hi)];
  const [first, last] = [Math.ceil(a - 1e-9), Math.floor(b + 1e-9)];
  const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, count)));
  const powers = Array.from({ length: Math.max(0, Math.floor((last - first) / every) + 1) }, (_, i) => 10 ** (first + i * every));
  const between =
    powers.length < 2 ? [1, 2, 5].flatMap((m) => [m * 10 ** (first - 1), m * 10 ** first]).filter((v) => v >= lo * 0.999 && v <= hi * 1.001) : [];
  const ticks = [...new Set([...powers, ...between])].sort((x, y) => x - y).map((at) => ({ at, text: shortText(at) }));
  return { lo, hi, ticks, place: (v) => (v > 0 ? (Math.log10(v) - a) / (b - a) : Number.NaN) };
}

/** A range that has a width, in numbers that can be counted through. */
function widened([lo, hi]: readonly [number, number]): [number, number] {
  const size = Math.max(Math.abs(lo), Math.abs(hi));
  if (size > 8e307) return [-8e307, 8e307];
  if (hi - lo > size * 1e-10 && hi - lo > 1e-300) return [lo, hi];
  const pad = size > 1e-290 ? size / 2 : 1;
  return [lo - pad, hi + pad];
}

/** 1, 2 or 5 times a power of ten, at least x. */
function roundStep(x: number): number {
  const power = 10 ** Math.floor(Math.log10(x));
  const m = x / power;
  return (m <= 1.0001 ? 1 : m <= 2.0001 ? 2 : m <= 5.0001 ? 5 : 10) * power;
}

function tickText(value: number, step: number): string {
  if (Math.abs(value) < step / 1e6) return "0";
  if (Math.abs(value) >= 1e6 || step < 1e-4) return shortText(value);
  return minus(value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
}

/** A number in few characters: 0.12, 1.2e-7, 12,000. */
export function shortText(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "no value" : x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(x.toExponential(1).replace(".0e", "e").replace("e+", "e"));
  return minus(size >= 1e4 ? Math.round(x).toLocaleString("en") : String(Number(x.toPrecision(3))));
}

/** How a table of numbers writes each of them, with decimals that fit the largest. */
export function cellFormat(peak: number): (x: number) => string {
  if (peak >= 1e5 || (peak > 0 && peak < 0.01)) return (x) => (Number.isNaN(x) ? "" : x === 0 ? "0" : shortText(Number(x.toPrecision(2))));
  const decimals = peak >= 100 ? 0 : peak >= 10 ? 1 : peak >= 0.1 ? 2 : 3;
  return (x) => {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "" : shortText(x);
    const text = x.toFixed(decimals);
    return Number(text) === 0 ? "0" : minus(text);
  };
}

/** As {@link shortText}, with a hyphen for a minus: numbers of a terminal are copied into code. */
export function plainNumber(x: number): string {
  return shortText(x).replaceAll("−", "-");
}

function minus(text: string): string {
  return text.replaceAll("-", "−");
}
