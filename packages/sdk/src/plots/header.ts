/** Title and caption over a chart. */
import type { ChartText } from "./chart.ts";
import { visible, widthOf, wrap } from "./label.ts";
import type { Paint } from "./paint.ts";
import { moved, type Part, textAt, tipOf } from "./shapes.ts";

/** Pixels around a chart. */
const MARGIN = 12;

/** A part with its heading over it. `width` is kept to where it is given; else the heading may make a narrow chart wider. */
export function withHeading({ title, caption }: ChartText, part: Part, paint: Paint, { inner, width }: { inner: boolean; width?: number }): Part {
  const margin = inner ? 0 : MARGIN;
  const [head, small] = [{ size: inner ? 12.5 : 15, bold: true }, { size: inner ? 11 : 12 }];
  const wanted = Math.max(Math.min(widthOf(title, head), inner ? 300 : 560), caption ? Math.min(widthOf(caption, small), inner ? 260 : 420) : 0);
  const room = (width === undefined ? Math.max(part.width, wanted) : Math.max(part.width, width - 2 * margin)) + 1;
  const lines = [
    ...wrap(visible(title), room, head, 2).map((line) => ({ line, ...head, fill: paint.colour("ink"), step: head.size + 4 })),
    ...wrap(visible(caption ?? ""), room, small, 4).map((line) => ({ line, ...small, fill: paint.colour("ink-2"), step: small.size + 3.5 })),
  ];
  let y = margin;
  const texts = lines.map(({ line, step, ...style }) => {
    y += step;
    return textAt(margin, y - 3, line, style);
  });
  y += lines.length > 0 ? 8 : 0;
  const body = `<g>${inner ? tipOf(title) : ""}${texts.join("")}${moved(margin, y, part.body)}</g>`;
  return { width: room + 2 * margin, height: y + part.height + margin, body };
}
