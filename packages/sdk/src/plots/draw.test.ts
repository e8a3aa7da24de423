import { describe, expect, it } from "vitest";
import { PANELS, SAMPLES } from "../../../../tests/support/charts.ts";
import type { Chart, HeatmapChart } from "./chart.ts";
import { drawSvg, toDrawing } from "./draw.ts";
import { printChart } from "./print.ts";
import { Result } from "./result.ts";

const heat = SAMPLES.heatmap as HeatmapChart;

describe.each(Object.entries({ ...SAMPLES, panels: PANELS }))("%s", (_, chart) => {
  it.each(["light", "dark", "auto"] as const)("is a whole picture without scripts, on %s paper", (theme) => {
    const svg = drawSvg(chart, { theme });
    expect(svg).toMatch(/^<svg [^>]*role="img"[^>]*>.*<\/svg>$/s);
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<script|<img|="-\d+[^"]*" height|width="-/);
    expect(svg.includes("var(--tl-")).toBe(theme === "auto");
  });

  it.each([120, 300, 1500])("is as wide as it is told to be: %i pixels", (width) => {
    expect(drawSvg(chart, { width })).toContain(`width="${width}"`);
  });
});

it("names what every cell holds, and leaves cells without a value empty", () => {
  const svg = drawSvg(heat);
  expect(svg).toContain("<title>layer 0, position ·Mary: logit difference ");
  expect(svg.match(/<title>layer \d, position/g)?.length).toBe(39);
  expect(svg).toContain("empty: no value");
});

it("draws hundred times hundred cells in a moment, and millions as means", () => {
  const started = performance.now();
  expect(drawSvg(SAMPLES.large as Chart).match(/<title>row/g)?.length).toBe(10_000);
  const names = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));
  const values = new Float32Array(1000 * 2000).fill(1);
  const svg = drawSvg({ ...heat, values, x: { name: "x", labels: names(2000) }, y: { name: "y", labels: names(1000) } });
  expect(svg).toContain("means of 4 x 7 cells");
  expect(svg.length).toBeLessThan(100_000);
  expect(performance.now() - started).toBeLessThan(5000);
});

it("takes more than a call takes arguments", () => {
  const labels = Array.from({ length: 200_000 }, (_, i) => String(i));
  const values = new Float32Array(labels.length).map((_, i) => (i === 77_777 ? -9 : Math.sin(i)));
  const bars = drawSvg({ kind: "bars", title: "b", x: { name: "x", labels }, series: [{ name: "s", values }] });
  expect(bars).toContain("x (the largest of every 334)");
  expect(bars).toContain(": −9</title>");
  const lines = drawSvg({ kind: "lines", title: "l", x: { name: "x", values: labels.map(Number) }, series: [{ name: "s", values }] });
  const long = { kind: "attention", title: "a", tokens: labels, heads: [{ name: "h", weights: values.map(Math.abs) }] } as const;
  for (const svg of [bars, lines, drawSvg(long)]) expect(svg.length).toBeLessThan(200_000);
  expect(drawSvg({ ...heat, values, x: { name: "x", labels }, y: { name: "y", labels: ["0"] }, text: labels }).length).toBeLessThan(200_000);
  const tokens = labels.slice(0, 1000);
  const square = { ...long, tokens, heads: [{ name: "h", weights: new Float32Array(1_000_000).fill(1e-3) }] };
  expect(drawSvg(square)).toContain("means of 4 x 4 cells");
  for (const chart of [long, square]) expect(printChart(chart).length).toBeLessThan(200_000);
});

it("gives panels of one unit the same colours, and does not say a caption twice", () => {
  const weak: HeatmapChart = { ...heat, values: new Float32Array(40).fill(0.25) };
  const strong: HeatmapChart = { ...heat, values: new Float32Array(40).fill(8) };
  const strongest = /fill="#7f2d08"><title>|<title>[^<]*<\/title><rect [^>]*fill="#7f2d08"/g;
  const cells = (...panels: Chart[]): number => drawSvg({ kind: "panels", title: "p", panels }).match(strongest)?.length ?? 0;
  expect(cells(weak)).toBe(40);
  expect(cells(weak, strong)).toBe(40);
  expect(cells(weak, { ...strong, unit: "nats" })).toBe(80);
  expect(cells({ ...weak, range: [-0.25, 0.25] }, strong)).toBe(80);
  const panels = drawSvg({ kind: "panels", title: "p", caption: "Where it is decided.", panels: [heat, heat] });
  expect(panels.match(/>Where it is decided\.<\/text>/g)?.length).toBe(1);
});

it("draws the strongest edges of a graph that has thousands, and counts them", () => {
  const nodes = Array.from({ length: 80 }, (_, i) => ({ id: `n${i}`, label: `n${i}`, layer: i % 8 }));
  const edges = nodes.flatMap((a) => nodes.filter((b) => b.layer > a.layer).map((b, i) => ({ from: a.id, to: b.id, score: i })));
  const svg = drawSvg({ kind: "graph", title: "g", nodes, edges });
  expect(svg).toContain(`the 400 strongest of ${edges.length.toLocaleString("en")} edges`);
  expect(svg.match(/<title>n\d+ to n\d+/g)?.length).toBe(400);
});

const EMPTY: Chart[] = [
  { ...heat, values: [], x: { name: "x", labels: [] }, y: { name: "y", labels: [] } },
  { ...heat, values: new Float32Array(40).fill(Number.NaN) },
  { kind: "bars", title: "none", x: { name: "x", labels: [] }, series: [] },
  { kind: "bars", title: "zero", x: { name: "x", labels: ["a", "b"] }, series: [{ name: "s", values: [0, 0] }] },
  { kind: "lines", title: "none", x: { name: "x", values: [] }, series: [] },
  { kind: "lines", title: "one", x: { name: "x", values: [3] }, series: [{ name: "s", values: [2] }], log: true },
  {
    kind: "lines",
    title: "flat, vast, tiny",
    x: { name: "x", values: [1e17, 1e17 + 16, 1e17 + 32] },
    series: [{ name: "s", values: [-1e308, 1e308, 1e-320] }],
  },
  {
    kind: "lines",
    title: "negative on a logarithmic axis",
    x: { name: "x", values: [-1, 0], log: true },
    series: [{ name: "s", values: [-1, 0] }],
    log: true,
  },
  { kind: "scatter", title: "none", points: [{ x: Number.NaN, y: 1 }], xName: "x", yName: "y" },
  { kind: "scatter", title: "one", points: [{ x: 1, y: 1, label: "only" }], xName: "x", yName: "y", diagonal: true },
  { kind: "attention", title: "none", tokens: [], heads: [] },
  { kind: "attention", title: "one query", tokens: ["a", "b"], heads: [{ name: "h", weights: [0.5, 0.5] }] },
  { kind: "graph", title: "none", nodes: [], edges: [] },
  { kind: "graph", title: "loop", nodes: [{ id: "a", label: "", layer: 0 }], edges: [{ from: "a", to: "a", score: Number.POSITIVE_INFINITY }] },
  { kind: "panels", title: "none", panels: [] },
  { ...heat, title: "", values: new Float32Array(40).fill(Number.POSITIVE_INFINITY) },
];

it.each(EMPTY)("draws and prints what is hardly there: $kind, $title", (chart) => {
  const svg = drawSvg(chart);
  expect(svg).not.toMatch(/[" (]NaN|Infinity/);
  expect(Number(/width="([\d.]+)"/.exec(svg)?.[1])).toBeGreaterThan(20);
});

it("refuses what does not fit, and says what", () => {
  expect(() => drawSvg({ ...heat, values: [1] })).toThrow(
    /E_SHAPE: "Patching <resid>" cannot be drawn: 4 layer x 10 position values; expected 40.*1/,
  );
  expect(() => drawSvg({ ...heat, text: ["a"] })).toThrow(/E_SHAPE/);
  expect(() => drawSvg({ kind: "attention", title: "t", tokens: ["a", "b"], heads: [{ name: "h", weights: [1, 2, 3] }] })).toThrow(
    /E_SHAPE.*head "h"/,
  );
  expect(() => drawSvg({ kind: "bars", title: "t", x: { name: "x", labels: ["a"] }, series: [{ name: "s", values: [] }] })).toThrow(/E_SHAPE.*"s"/);
  const graph: Chart = {
    kind: "graph",
    title: "t",
    nodes: [{ id: "a0.h1", label: "", layer: 0 }],
    edges: [{ from: "a0.h1", to: "a0.h2", score: 1 }],
  };
  expect(() => drawSvg(graph)).toThrow(/E_NAME.*a0\.h2.*a0\.h1/);
  expect(() => drawSvg({ kind: "pie" } as never)).toThrow(/E_NAME.*pie/);
  for (const width of [0, -5, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => drawSvg(heat, { width })).toThrow(/E_RANGE/);
  expect(() => drawSvg(heat, { theme: "sepia" as never })).toThrow(/E_NAME/);
});

it("is text where there is no document", () => {
  class Demo extends Result {
    chart(): Chart {
      return heat;
    }
  }
  expect(new Demo().plot()).toBe(drawSvg(heat));
  expect(new Demo().svg({ theme: "dark" })).toBe(drawSvg(heat, { theme: "dark" }));
  expect(toDrawing("<svg/>")).toBe("<svg/>");
});
