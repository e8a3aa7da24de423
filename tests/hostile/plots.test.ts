/** Charts with labels that attack, numbers that are none, and parts that do not fit. */
import { type Chart, drawSvg, printChart } from "tritlens/plots";
import { expect, it } from "vitest";
import { outcomeOf } from "./interp/attack.ts";

const EVIL = [
  "</svg><script>alert(1)</script>",
  '" onload="x',
  "\u001b[2J\u0007\u0000",
  "\u202e\ud800",
  "a".repeat(20_000),
  "__proto__",
  "]]>&amp;<!--",
];
const N = EVIL.length;
const numbers = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => [Number.NaN, 1e308, -1e308, Number.POSITIVE_INFINITY, 0, -0, 5e-324][i % 7] as number);
const text = { title: EVIL.join(" "), caption: EVIL.join(" ") };
const x = { name: EVIL[0] as string, labels: EVIL };

const CHARTS: Readonly<Record<string, Chart>> = {
  heatmap: { kind: "heatmap", ...text, values: numbers(N * N), x, y: x, text: Array(N * N).fill(EVIL[0]), unit: EVIL[1] as string },
  bars: { kind: "bars", ...text, x, series: EVIL.map((name) => ({ name, values: numbers(N) })), unit: EVIL[2] as string },
  lines: {
    kind: "lines",
    ...text,
    x: { name: EVIL[2] as string, values: numbers(N), log: true },
    series: EVIL.map((name) => ({ name, values: numbers(N) })),
    log: true,
  },
  scatter: {
    ...{ kind: "scatter", ...text, xName: EVIL[0] as string, yName: EVIL[2] as string, diagonal: true },
    points: numbers(N).map((v, i) => ({ x: v, y: -v, label: EVIL[i] as string, group: EVIL[i] as string })),
  },
  attention: { kind: "attention", ...text, tokens: EVIL, heads: EVIL.map((name) => ({ name, weights: numbers(N * N) })) },
  graph: {
    ...{ kind: "graph", ...text },
    nodes: EVIL.map((id, layer) => ({ id, label: id, layer, group: id, score: Number.NaN })),
    edges: EVIL.map((from, i) => ({ from, to: EVIL[(i + 1) % N] as string, score: (numbers(N)[i] as number) / 1e280, label: from })),
  },
};
const none: Chart = { kind: "heatmap", title: "", values: [], x: { name: "", labels: [] }, y: { name: "", labels: [] } };
const many: Readonly<Record<string, Chart>> = {
  ...CHARTS,
  panels: { kind: "panels", ...text, panels: [...Object.values(CHARTS), none], columns: 2 },
  none,
};

it.each(Object.entries(many))("draws and prints %s without markup, control characters or NaN", (_, chart) => {
  const svg = drawSvg(chart);
  expect(svg).not.toMatch(/<script|<!--|" onload="|[="M ]NaN|="-?Infinity/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
  expect(svg).not.toMatch(control);
  expect(printChart(chart, { color: false } as never)).not.toMatch(control);
});

const wrong: readonly (readonly [string, string, unknown])[] = [
  ["E_NAME", "an unknown kind", { kind: "pie", title: "x" }],
  ["E_NAME", "a prototype as its kind", { kind: "__proto__", title: "x" }],
  ["E_SHAPE", "values that do not fit", { ...CHARTS.heatmap, values: [1] }],
  ["E_SHAPE", "a series that does not fit", { ...CHARTS.bars, series: [{ name: "x", values: [1] }] }],
  ["E_SHAPE", "weights that do not fit", { ...CHARTS.attention, heads: [{ name: "x", weights: [1] }] }],
  ["E_NAME", "an edge to nowhere", { ...CHARTS.graph, edges: [{ from: EVIL[0], to: "nowhere", score: 1 }] }],
  ["E_NAME", "a wrong panel", { kind: "panels", title: "x", panels: [{ kind: "pie" }] }],
  ["E_SHAPE", "no chart", undefined],
  ["E_SHAPE", "no values", { ...CHARTS.heatmap, values: undefined }],
  ["E_SHAPE", "no series", { ...CHARTS.bars, series: undefined }],
];
it.each(wrong)("%s: %s", async (want, _, chart) => {
  expect(await outcomeOf(() => drawSvg(chart as Chart))).toBe(want);
  expect(await outcomeOf(() => printChart(chart as Chart))).toBe(want);
});
it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9])("refuses the width %s", async (width) => {
  expect(await outcomeOf(() => drawSvg(none, { width }))).toBe("E_RANGE");
});
