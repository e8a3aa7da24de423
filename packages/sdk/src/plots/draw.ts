/** Draws charts as SVG. */
import { TritlensError } from "../core/errors.ts";
import { drawAttention } from "./attention.ts";
import { drawBars } from "./bars.ts";
import type { Chart } from "./chart.ts";
import { checkChart } from "./check.ts";
import { drawGraph } from "./graph.ts";
import { withHeading } from "./header.ts";
import { drawHeatmap } from "./heatmap.ts";
import { escaped } from "./label.ts";
import { drawLines } from "./lines.ts";
import { Paint } from "./paint.ts";
import { drawPanels } from "./panels.ts";
import { drawScatter } from "./scatter.ts";
import { type Part, px } from "./shapes.ts";
import { FONTS } from "./theme.ts";

/** How a chart is drawn. */
export interface PlotOptions {
  /** Pixels, 120 to 10000; a width that fits the chart when left out. */
  readonly width?: number;
  /** Colours for a light (default) or a dark page; `auto` follows the reader's setting (browsers only: other programs may not know style sheets in pictures). */
  readonly theme?: "light" | "dark" | "auto";
}

/** A picture: SVG text in Node, an element in a page. */
export type Drawing = string | SVGSVGElement;

/** Width of what does not say how wide it wants to be, and of panels together. */
const ROOM = 720;
const WIDE_ROOM = 1000;

/**
 * The chart as SVG text: complete, without scripts, with the numbers under the pointer and a description for screen readers.
 *
 * @throws E_SHAPE for numbers that do not fit their labels, E_NAME for edges between unknown nodes or an unknown theme, E_RANGE for a width that cannot be drawn.
 */
export function drawSvg(chart: Chart, options: PlotOptions = {}): string {
  const { width, theme = "light" } = options;
  if (width !== undefined && !(width >= 120 && width <= 10_000))
    throw new TritlensError("E_RANGE", "a picture of this width cannot be drawn", { expected: "120 to 10000 pixels", found: String(width) });
  if (theme !== "light" && theme !== "dark" && theme !== "auto")
    throw new TritlensError("E_NAME", "there is no such theme", { expected: "light, dark or auto", found: String(theme) });
  checkChart(chart);
  const paint = new Paint(theme);
  const room = width === undefined ? (chart.kind === "panels" || chart.kind === "attention" ? WIDE_ROOM : ROOM) : width - 24;
  const part = withHeading(chart, drawPart(chart, room, paint), paint, { inner: false, ...(width === undefined ? {} : { width }) });
  const paper = `<rect width="100%" height="100%" fill="${paint.colour("paper")}"/>`;
  const [w, h] = [Math.ceil(part.width), Math.ceil(part.height)];
  const shown = width ?? w;
  const root = `xmlns="http://www.w3.org/2000/svg" width="${px(shown)}" height="${px((h * shown) / w)}" viewBox="0 0 ${w} ${h}"`;
  const about = `<title>${escaped(chart.title)}</title>${chart.caption ? `<desc>${escaped(chart.caption)}</desc>` : ""}`;
  const look = `font-family="${FONTS.sans}"${theme === "auto" ? ' class="tritlens-auto"' : ""}`;
  return `<svg ${root} role="img" aria-label="${escaped(chart.title)}" ${look}>${about}${paint.style()}${paper}${part.body}</svg>`;
}

/** A chart without its heading. */
function drawPart(chart: Chart, room: number, paint: Paint): Part {
  switch (chart.kind) {
    case "heatmap":
      return drawHeatmap(chart, room, paint);
    case "bars":
      return drawBars(chart, room, paint);
    case "lines":
      return drawLines(chart, room, paint);
    case "scatter":
      return drawScatter(chart, room, paint);
    case "attention":
      return drawAttention(chart, room, paint);
    case "graph":
      return drawGraph(chart, room, paint);
    case "panels":
      return drawPanels(chart, room, (panel, wide) => withHeading(panel, drawPart(panel, wide, paint), paint, { inner: true }));
  }
}

/** SVG text as an element where there is a document; the text itself where there is none (Node, workers). */
export function toDrawing(svg: string): Drawing {
  if (typeof document === "undefined" || typeof DOMParser === "undefined") return svg;
  return document.adoptNode(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement) as unknown as SVGSVGElement;
}
