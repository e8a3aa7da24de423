/** Elements of SVG as text. */
import { escaped, type Type } from "./label.ts";
import { FONTS } from "./theme.ts";

/** A drawn part, its origin at the top left. */
export interface Part {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Elements. */
  readonly body: string;
}

/** How a text is set and where its position is. */
export interface TextStyle extends Type {
  /** Colour. */
  readonly fill: string;
  /** Which end is at x. */
  readonly anchor?: "start" | "middle" | "end";
  /** Degrees, about its position. */
  readonly rotate?: number;
  /** Colour of an outline behind the letters. */
  readonly halo?: string;
}

/** A coordinate with one decimal. */
export function px(x: number): string {
  return String(Math.round(10 * x) / 10);
}

/** A line of text with its baseline at y. */
export function textAt(x: number, y: number, content: string, { size, mono, bold, fill, anchor = "start", rotate, halo }: TextStyle): string {
  const attributes = [
    `x="${px(x)}" y="${px(y)}" font-size="${size}" fill="${fill}"`,
    anchor === "start" ? "" : ` text-anchor="${anchor}"`,
    bold ? ' font-weight="600"' : "",
    mono ? ` font-family="${FONTS.mono}" xml:space="preserve"` : "",
    rotate === undefined ? "" : ` transform="rotate(${rotate} ${px(x)} ${px(y)})"`,
    halo === undefined ? "" : ` stroke="${halo}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"`,
  ];
  return `<text ${attributes.join("")}>${escaped(content)}</text>`;
}

/** A filled box, with a text that appears under the pointer. */
export function rectAt(x: number, y: number, width: number, height: number, fill: string, tip?: string): string {
  const start = `<rect x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" fill="${fill}"`;
  return tip === undefined ? `${start}/>` : `${start}>${tipOf(tip)}</rect>`;
}

/** A straight line. */
export function lineAt(x1: number, y1: number, x2: number, y2: number, stroke: string, dash?: string): string {
  return `<path d="M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}" stroke="${stroke}" fill="none"${dash ? ` stroke-dasharray="${dash}"` : ""}/>`;
}

/** Text that appears under the pointer, and that screen readers read. */
export function tipOf(text: string): string {
  return `<title>${escaped(text)}</title>`;
}

/** Moves elements. */
export function moved(x: number, y: number, body: string): string {
  return `<g transform="translate(${px(x)} ${px(y)})">${body}</g>`;
}
