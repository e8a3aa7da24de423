/** Charts side by side. */
import type { Chart, HeatmapChart, PanelsChart } from "./chart.ts";
import { colouring } from "./heatmap.ts";
import { moved, type Part } from "./shapes.ts";

const GAP = 28;

/** Panels in rows; a column is as wide as its widest panel. */
export function drawPanels(chart: PanelsChart, room: number, draw: (chart: Chart, room: number) => Part): Part {
  const panels = comparable(chart);
  const count = Math.max(1, Math.min(panels.length, Math.floor(chart.columns ?? 3) || 1));
  const parts = panels.map((panel) => draw(panel, Math.max(160, (room - (count - 1) * GAP) / count)));
  const widths = Array.from({ length: count }, (_, c) => Math.max(0, ...parts.filter((_, i) => i % count === c).map((p) => p.width)));
  const body: string[] = [];
  let y = 0;
  for (let first = 0; first < parts.length; first += count) {
    const row = parts.slice(first, first + count);
    let x = 0;
    row.forEach((part, c) => {
      body.push(moved(x, y, part.body));
      x += (widths[c] as number) + GAP;
    });
    y += Math.max(...row.map((p) => p.height)) + GAP - 6;
  }
  return { width: widths.reduce((x, w) => x + w, 0) + (count - 1) * GAP, height: Math.max(0, y - GAP + 6), body: body.join("") };
}

/** The panels as one picture: heat maps of one unit share their colours unless they say which they want, and what the whole picture's caption says is not said again. */
export function comparable({ panels, caption }: PanelsChart): Chart[] {
  const kindOf = ({ unit, scale }: HeatmapChart): string => `${scale ?? "diverging"} ${unit}`;
  const shared = (p: Chart): p is HeatmapChart => p.kind === "heatmap" && p.unit !== undefined && p.range === undefined;
  const ranges = new Map<string, [lo: number, hi: number]>();
  for (const panel of panels.filter(shared)) {
    if (!Array.from(panel.values).some(Number.isFinite)) continue;
    const { lo, hi } = colouring(panel);
    const [a, b] = ranges.get(kindOf(panel)) ?? [lo, hi];
    ranges.set(kindOf(panel), [Math.min(a, lo), Math.max(b, hi)]);
  }
  return panels.map((panel) => {
    const { caption: own, ...rest } = panel;
    const said = own === undefined || own === caption ? (rest as Chart) : panel;
    const range = shared(said) ? ranges.get(kindOf(said)) : undefined;
    return range ? ({ ...said, range } as HeatmapChart) : said;
  });
}
