import { describe, expect, it } from "vitest";
import { COLOURS, hex, inkOver, luminance, parseHex, RAMPS, type Rgb, rampColour, SERIES } from "./theme.ts";

const THEMES = ["light", "dark"] as const;
const steps = (stops: readonly string[]): Rgb[] => Array.from({ length: 41 }, (_, i) => rampColour(stops, i / 40));

function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

describe.each(THEMES)("on %s paper", (theme) => {
  const paper = parseHex(COLOURS.paper[theme]);

  it("text has the contrast that WCAG AA asks for, lines and marks theirs", () => {
    for (const name of ["ink", "ink-2", "ink-3"] as const) expect(contrast(parseHex(COLOURS[name][theme]), paper)).toBeGreaterThan(4.5);
    for (const series of SERIES) expect(contrast(parseHex(series[theme]), paper)).toBeGreaterThan(3);
  });

  it("text can be read on every step of every ramp", () => {
    for (const ramp of Object.values(RAMPS))
      for (const colour of steps(ramp[theme])) expect(contrast(colour, parseHex(inkOver(colour)))).toBeGreaterThan(4.5);
  });

  it("lightness says the order of a sequential ramp, and the distance from 0 of a diverging one", () => {
    const sign = theme === "light" ? -1 : 1;
    const rises = (colours: Rgb[]): boolean => colours.every((c, i) => i === 0 || sign * (luminance(c) - luminance(colours[i - 1] as Rgb)) > 0);
    expect(rises(steps(RAMPS.sequential[theme]))).toBe(true);
    const diverging = steps(RAMPS.diverging[theme]);
    expect(rises(diverging.slice(20))).toBe(true);
    expect(rises(diverging.slice(0, 21).reverse())).toBe(true);
  });

  // Machado, Oliveira and Fernandes 2009, severity 1.
  it.each([
    ["normal sight", [1, 0, 0, 0, 1, 0, 0, 0, 1], 25],
    ["protanopia", [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998], 8],
    ["deuteranopia", [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881], 8],
    ["tritanopia", [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039], 8],
  ])("series can be told apart with %s", (_, matrix, least) => {
    const seen = SERIES.map((s) => lab(simulate(parseHex(s[theme]), matrix)));
    for (const [i, a] of seen.entries()) for (const b of seen.slice(i + 1)) expect(distance(a, b)).toBeGreaterThan(least);
  });
});

it("ramps end in their ends", () => {
  expect(hex(rampColour(RAMPS.sequential.light, -1))).toBe(RAMPS.sequential.light[0]);
  expect(hex(rampColour(RAMPS.sequential.light, 1))).toBe(RAMPS.sequential.light.at(-1));
  expect(hex(rampColour(RAMPS.diverging.dark, 0.5))).toBe(RAMPS.diverging.dark[4]);
});

/** Linear light as somebody with the matrix's sight sees it. */
function simulate(colour: Rgb, m: readonly number[]): number[] {
  const linear = colour.map((c) => (c <= 10.31 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return [0, 3, 6].map((r) =>
    Math.max(
      0,
      Math.min(
        1,
        linear.reduce((sum, v, c) => sum + v * (m[r + c] as number), 0),
      ),
    ),
  );
}

/** CIE L*a*b* of linear sRGB. */
function lab([r = 0, g = 0, b = 0]: readonly number[]): [number, number, number] {
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const [x, y, z] = [
    f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047),
    f(0.2126 * r + 0.7152 * g + 0.0722 * b),
    f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883),
  ];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((v, i) => v - (b[i] as number)));
}
