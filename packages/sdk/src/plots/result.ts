/** What every analysis returns: numbers that print well and draw themselves. */
import type { Chart } from "./chart.ts";
import { type Drawing, drawSvg, type PlotOptions, toDrawing } from "./draw.ts";
import { type PrintOptions, printChart } from "./print.ts";

/**
 * A result of an analysis. Its fields are the numbers; `plot()` draws them and `toString()` prints a small table.
 *
 * Analyses of your own extend it: say in `chart()` what to draw, and the rest follows.
 */
export abstract class Result {
  /** What to draw. */
  abstract chart(): Chart;

  /** A picture: an SVG string in Node, an `<svg>` element in a page. @throws what {@link drawSvg} throws. */
  plot(options: PlotOptions = {}): Drawing {
    return toDrawing(drawSvg(this.chart(), options));
  }

  /** The picture as SVG text, everywhere. @throws what {@link drawSvg} throws. */
  svg(options: PlotOptions = {}): string {
    return drawSvg(this.chart(), options);
  }

  /** A small table, bars or sparklines for a terminal; plain text. */
  toString(): string {
    return printChart(this.chart());
  }

  /** The same as `toString()`, at another width or with a terminal's colours. */
  print(options: PrintOptions = {}): string {
    return printChart(this.chart(), options);
  }
}

// What `console.log` shows in Node. Set here because a computed member name cannot be declared under isolatedDeclarations. A result that prints in a way of its own
// (another toString) is shown that way; the others get colours where the console has them.
Object.defineProperty(Result.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Result, _depth: number, options: { readonly colors?: unknown } = {}): string {
    return this.toString === Result.prototype.toString ? this.print({ color: options.colors === true }) : this.toString();
  },
});
