/** Draws charts side by side. */
import type { Chart, PanelsChart } from "./chart.ts";
import type { Paint } from "./paint.ts";
import { moved, type Part } from "./shapes.ts";

const GAP = 28;

/** Panels in rows; a column is as wide as its widest panel. */
export function drawPanels({ panels, columns }: PanelsChart, room: number, _paint: Paint, draw: (chart: Chart, room: number) => Part): Part {
  const count = Math.max(1, Math.min(panels.length, Math.floor(columns ?? 3) || 1));
  const parts = panels.map((panel) => draw(panel, Math.max(160, (room - (count - 1) * GAP) / count)));
  const widths = Array.from({ length: count }, (_, c) => Math.max(0, ...parts.filter((_, i) => i % count === c).map((p) => p.width)));
  const body: string[] = [];
  let y = 0;
  for (let first = 0; first < parts.length; first += count) {
    const row = parts.slice(first, first + count);
    row.forEach((part, c) => {
      body.push(
        moved(
          widths.slice(0, c).reduce((x, w) => x + w + GAP, 0),
          y,
          part.body,
        ),
      );
    });
    y += Math.max(...row.map((p) => p.height)) + GAP - 6;
  }
  return { width: widths.reduce((x, w) => x + w, 0) + (count - 1) * GAP, height: Math.max(0, y - GAP + 6), body: body.join("") };
}
