/**
 * Pictures of results: charts as data, drawn as SVG (Node, pages, report) and as text (terminal), in one theme.
 *
 * @module
 */
export type {
  AttentionChart,
  BarChart,
  Chart,
  ChartEdge,
  ChartHead,
  ChartNode,
  ChartPoint,
  ChartText,
  GraphChart,
  HeatmapChart,
  Labels,
  LineChart,
  PanelsChart,
  Places,
  ScatterChart,
  Series,
} from "./chart.ts";
export { type Drawing, drawSvg, type PlotOptions, toDrawing } from "./draw.ts";
export { type PrintOptions, printChart } from "./print.ts";
export { Result } from "./result.ts";
