/** What every analysis returns: numbers that print well and draw themselves. */
import type { Chart } from "./chart.ts";
import { type Drawing, drawSvg, type PlotOptions, toDrawing } from "./draw.ts";
import { printChart } from "./print.ts";

/** A result of an analysis. Its fields are the numbers; `plot()` draws them and `toString()` prints a small table. */
export abstract class Result {
  /** What to draw. */
  abstract chart(): Chart;

  /** A picture: an SVG string in Node, an `<svg>` element in a page. */
  plot(options: PlotOptions = {}): Drawing {
    return toDrawing(drawSvg(this.chart(), options));
  }

  /** The picture as SVG text, everywhere. */
  svg(options: PlotOptions = {}): string {
    return drawSvg(this.chart(), options);
  }

  /** A small table or sparkline for a terminal. */
  toString(): string {
    return printChart(this.chart());
  }
}

// What `console.log` shows in Node. Set here because a computed member name cannot be declared under isolatedDeclarations.
Object.defineProperty(Result.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Result): string {
    return this.toString();
  },
});
