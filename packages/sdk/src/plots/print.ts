/** Charts as text for a terminal. */
import type { Chart } from "./chart.ts";

/** A small table, bars or sparklines. */
export function printChart(chart: Chart): string {
  return chart.title;
}
