/**
 * The one theme of every picture: charts, attention maps, comparisons, the report's page and the terminal. Colours can be told apart by colour-blind readers, and no
 * chart says anything by colour alone.
 */

/** A colour on a light page and on a dark one. */
export interface Shades {
  /** On light paper. */
  readonly light: string;
  /** On dark paper. */
  readonly dark: string;
}

const pair = (light: string, dark: string): Shades => ({ light, dark });

/** Name of a colour of the page. */
export type ColourName =
  | "paper"
  | "panel"
  | "ink"
  | "ink-2"
  | "ink-3"
  | "line"
  | "line-2"
  | "band-a"
  | "band-b"
  | "accent"
  | "good"
  | "bad"
  | "mixed"
  | "good-bg"
  | "bad-bg"
  | "mixed-bg"
  | "none-bg";

/** Paper, ink and lines. */
export const COLOURS: Readonly<Record<ColourName, Shades>> = {
  paper: pair("#fcfcfa", "#14161a"),
  panel: pair("#ffffff", "#1a1d22"),
  ink: pair("#1a1c1f", "#ebe9e4"),
  "ink-2": pair("#4d525a", "#b3b7bd"),
  "ink-3": pair("#6d737c", "#90969f"),
  line: pair("#e4e4de", "#2a2e35"),
  "line-2": pair("#cfcfc7", "#3b4048"),
  "band-a": pair("#f0f1ec", "#1d2127"),
  "band-b": pair("#f9f9f6", "#171a1f"),
  accent: pair("#2457a6", "#8ab4f8"),
  good: pair("#1b7a4b", "#6fd19c"),
  bad: pair("#b3261e", "#ff8a80"),
  mixed: pair("#946200", "#f0c060"),
  "good-bg": pair("#e6f3ec", "#16301f"),
  "bad-bg": pair("#fbe9e7", "#3a1d1b"),
  "mixed-bg": pair("#f8f0dc", "#33290f"),
  "none-bg": pair("#eef0f2", "#23272d"),
};

/** Colours of series and groups, in the order in which they are taken. */
export const SERIES: readonly Shades[] = [
  pair("#0f66b8", "#6cb0f5"),
  pair("#bf4500", "#ff8a4c"),
  pair("#0a9276", "#3fc9a6"),
  pair("#a2508a", "#d68fc2"),
  pair("#b98400", "#e3b23c"),
  pair("#3c4046", "#d5d8dc"),
];

/** Stops of the colour ramps, from the least value to the largest. */
export interface Ramp {
  /** On light paper. */
  readonly light: readonly string[];
  /** On dark paper. */
  readonly dark: readonly string[];
}

/** Name of a ramp of charts. */
export type RampName = "sequential" | "diverging";

/** From paper (nothing) to the strongest colour (all), and from minus over paper (0) to plus. */
export const RAMPS: Readonly<Record<RampName, Ramp>> = {
  sequential: {
    light: ["#f3f6f1", "#d3ebdd", "#a3d6cc", "#66b9c5", "#3691b7", "#2168a4", "#18427f", "#0c2350"],
    dark: ["#1e242b", "#1d3650", "#1f5478", "#27769b", "#3f9bb3", "#70bfc0", "#aedfc9", "#f0fbe4"],
  },
  diverging: {
    light: ["#0b3c74", "#2166ac", "#6da3d0", "#bdd5e8", "#f2f1ec", "#f3cdb0", "#e2925f", "#c8541e", "#7f2d08"],
    dark: ["#b4d8ff", "#6cb0f5", "#3a78b5", "#27486b", "#23272d", "#6b3c22", "#b5622f", "#ff8a4c", "#ffcaa8"],
  },
};

/** Viridis: for pictures of pixels, on light and dark paper alike. */
export const VALUE_RAMP: readonly string[] = [
  "#440154",
  "#482878",
  "#3e4a89",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];

/** Codes -1, 0 and +1: three stops of the diverging ramp. */
export const CODE_RAMP: readonly [minus: string, zero: string, plus: string] = ["#2166ac", "#f2f1ec", "#c8541e"];

/** Type. Only names without double quotes, so that they can stand in attributes. */
export const FONTS = {
  serif: "'Iowan Old Style', Charter, 'Palatino Linotype', Palatino, 'Book Antiqua', Georgia, 'Noto Serif', serif",
  sans: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif",
  mono: "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace",
} as const;

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/** The colour at a share of a ramp, 0 to 1. */
export function rampColour(stops: readonly string[], share: number): Rgb {
  const at = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const i = Math.min(Math.max(0, stops.length - 2), Math.floor(at));
  const [a, b] = [parseHex(stops[i] as string), parseHex(stops[Math.min(i + 1, stops.length - 1)] as string)];
  const mix = (j: 0 | 1 | 2): number => Math.round(a[j] + (b[j] - a[j]) * (at - i));
  return [mix(0), mix(1), mix(2)];
}

/** `#rrggbb`. */
export function hex(colour: Rgb): string {
  return `#${colour.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

/** Reads `#rrggbb`. */
export function parseHex(text: string): Rgb {
  const n = Number.parseInt(text.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** Relative luminance, 0 to 1 (WCAG 2). */
export function luminance([r, g, b]: Rgb): number {
  const linear = (c: number): number => (c <= 10.31 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

/** Black or white ink, whichever stands out more against the colour. */
export function inkOver(colour: Rgb): string {
  const l = luminance(colour);
  return 1.05 / (l + 0.05) > (l + 0.05) / 0.05 ? "#ffffff" : "#000000";
}
