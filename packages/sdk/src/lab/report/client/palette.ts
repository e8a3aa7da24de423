/** One colour, symbol and dash a mode, the same on the whole page. The colours themselves are custom properties (style.css), so that a change of theme needs no script. */
import type { ReportMode } from "../model.ts";
import { el } from "./dom.ts";

const KNOWN = ["fp32", "li_binary", "li_ternary", "binary", "ternary", "nanda_fp32"];
const SYMBOLS = ["circle", "triangle", "square", "diamond2", "hexagon", "star"] as const;

/** CSS colour of a mode; modes the page does not know share the neutral one. */
export function colour(mode: string): string {
  return KNOWN.includes(mode) ? `var(--mode-${mode})` : "var(--ink-2)";
}

/** Plot symbol of a mode: colour is never the only mark. */
export function symbol(mode: string): (typeof SYMBOLS)[number] {
  return SYMBOLS[Math.max(0, KNOWN.indexOf(mode))] ?? "circle";
}

/** A mode's name with its colour. */
export function badge(mode: ReportMode): HTMLElement {
  const dot = el("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = colour(mode.id);
  return el("span", { class: "badge" }, dot, mode.title);
}

/** A legend of modes. */
export function modeLegend(modes: ReportMode[]): HTMLElement {
  return el("div", { class: "legend" }, ...modes.map(badge));
}

/** A key of line styles: solid, dashed, dotted. */
export function lineLegend(entries: [dash: string, label: string, colour?: string][]): HTMLElement {
  return el("div", { class: "legend" }, ...entries.map(([dash, label, stroke]) => el("span", { class: "badge" }, swatch(dash, stroke), label)));
}

function swatch(dash: string, stroke = "currentColor"): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [k, v] of Object.entries({ width: "22", height: "8", "aria-hidden": "true" })) svg.setAttribute(k, v);
  for (const [k, v] of Object.entries({ x1: "0", x2: "22", y1: "4", y2: "4", stroke, "stroke-width": "2", "stroke-dasharray": dash }))
    line.setAttribute(k, v);
  svg.append(line);
  return svg;
}
