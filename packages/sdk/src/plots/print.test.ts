import { inspect } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PANELS, SAMPLES } from "../../../../tests/support/charts.ts";
import type { Chart, HeatmapChart } from "./chart.ts";
import { printChart } from "./print.ts";
import { Result } from "./result.ts";

afterEach(() => vi.unstubAllEnvs());

const small: HeatmapChart = {
  kind: "heatmap",
  title: "Heads",
  values: [0.5, -1, Number.NaN, 0.04],
  x: { name: "head", labels: ["0", "1"] },
  y: { name: "layer", labels: ["0", "1"] },
  unit: "logits",
};

class Demo extends Result {
  chart(): Chart {
    return small;
  }
}

describe.each(Object.entries({ ...SAMPLES, panels: PANELS }))("%s", (_, chart) => {
  it.each([40, 80, 100])("fits %i characters", (width) => {
    const lines = printChart({ ...chart, caption: "" }, { width }).split("\n");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may come through
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f]|undefined/);
    // Tables of names and numbers have a least width of their own.
    const least = { lines: 100, curve: 90, graph: 80, panels: 100 }[_] ?? 60;
    expect(Math.max(...lines.map((l) => l.length))).toBeLessThanOrEqual(Math.max(width, least));
  });
});

it("prints a heat map as numbers", () => {
  expect(printChart(small)).toBe(
    ["Heads", "      head →", "layer      0     1", "    0   0.50 -1.00", "    1         0.04", "logits: -1 to 1"].join("\n"),
  );
});

it("lets no control character through, from wherever it comes", () => {
  const bad = "\u001b[2J\u0007\u009b";
  const x = { name: bad, labels: [bad] };
  const charts: Chart[] = [
    { ...small, title: bad, caption: bad, unit: bad, values: [1], x, y: x },
    { kind: "bars", title: bad, x, series: [{ name: bad, values: [1] }], unit: bad },
    { kind: "lines", title: bad, x: { name: bad, values: [1, 2] }, series: [{ name: bad, values: [1, 2] }], unit: bad },
    { kind: "scatter", title: bad, points: [1, 2].map((v) => ({ x: v, y: v, label: bad, group: bad + v })), xName: bad, yName: bad },
    { kind: "attention", title: bad, tokens: [bad], heads: [1, 2].map(() => ({ name: bad, weights: [1] })) },
    { kind: "graph", title: bad, nodes: [{ id: bad, label: bad, layer: 0 }], edges: [{ from: bad, to: bad, score: 1, label: bad }] },
  ];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may come through
  expect(printChart({ kind: "panels", title: bad, panels: charts })).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

it("prints large maps as shades with a key, and counts what it leaves out", () => {
  const text = printChart(SAMPLES.large as Chart, { width: 80 });
  expect(text).toMatch(/[░▒▓█]{2}/);
  expect(text).toMatch(/==|--/);
  expect(text).toContain("… 52 more down (row), ");
  expect(text).toContain("≡=-·░▒▓█");
});

it("prints bars on both sides of 0", () => {
  const chart: Chart = {
    kind: "bars",
    title: "B",
    x: { name: "part", labels: ["up", "down", "gone"] },
    series: [{ name: "s", values: [1, -1, Number.NaN] }],
    unit: "logits",
  };
  const [, head, up, down, gone] = printChart(chart, { width: 60 }).split("\n");
  expect(head).toMatch(/^part\s+logits$/);
  expect(up).toMatch(/^up +1 {2} +█+$/);
  expect(down).toMatch(/^down +-1 {2}█+$/);
  expect(gone).toMatch(/^gone\s+no value$/);
  expect(up?.indexOf("█")).toBe(down?.length);
});

it("prints the strongest of many bars and edges", () => {
  expect(printChart(SAMPLES.many as Chart)).toContain("… 104 more with smaller values");
  expect(printChart(SAMPLES.graph as Chart)).toMatch(/7 nodes, 6 edges\nm0 → logits +-2 {2}█+/);
});

it("has colours only where they are asked for, and not where the environment says no", () => {
  expect(printChart(small)).not.toContain("\u001b");
  expect(String(new Demo())).not.toContain("\u001b");
  vi.stubEnv("NO_COLOR", "");
  expect(printChart(small, { color: true })).toContain("\u001b[48;5;");
  expect(inspect(new Demo(), { colors: true })).toContain("\u001b[48;5;");
  expect(inspect(new Demo())).toBe(String(new Demo()));
  vi.stubEnv("NO_COLOR", "1");
  expect(printChart(small, { color: true })).not.toContain("\u001b");
});

it("shows a result with a text of its own that way", () => {
  class Own extends Demo {
    override toString(): string {
      return "own";
    }
  }
  expect(inspect(new Own(), { colors: true })).toBe("own");
});
