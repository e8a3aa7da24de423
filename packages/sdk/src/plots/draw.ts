/** Draws charts as SVG. */
import type { Chart } from "./chart.ts";

/** How a chart is drawn. */
export interface PlotOptions {
  /** Pixels; a width that fits the chart when left out. */
  readonly width?: number;
  /** Colours for a light (default) or a dark page; `auto` follows the reader's setting. */
  readonly theme?: "light" | "dark" | "auto";
}

/** A picture: SVG text in Node, an element in a page. */
export type Drawing = string | SVGSVGElement;

/** The chart as SVG text. */
export function drawSvg(chart: Chart, _options: PlotOptions = {}): string {
  return `<svg xmlns="http://www.w3.org/2000/svg"><title>${chart.title.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)}</title></svg>`;
}

/** SVG text as an element where there is a document. */
export function toDrawing(svg: string): Drawing {
  if (typeof document === "undefined") return svg;
  return new DOMParser().parseFromString(svg, "image/svg+xml").documentElement as unknown as SVGSVGElement;
}
