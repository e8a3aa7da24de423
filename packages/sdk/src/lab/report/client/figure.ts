/** The frame every figure stands in: number, title, drawing, caption and the same numbers as a table. */
import { type Child, el, prose } from "./dom.ts";

let count = 0;

/** Rows behind a figure; the first column labels the row. */
export interface Numbers {
  columns: string[];
  rows: (string | number)[][];
}

/** What a figure is made of. */
export interface FigureParts {
  id: string;
  title: string;
  caption: string;
  body: Child[];
  numbers?: Numbers | null;
  legend?: Child;
}

/** A numbered figure. The table of its numbers opens from the keyboard and stays closed in print. */
export function figure({ id, title, caption, body, numbers, legend = null }: FigureParts): HTMLElement {
  count++;
  const head = el("div", { class: "fig-head" }, el("h3", { id: `${id}-title` }, el("span", { class: "fig-no" }, `Figure ${count}`), title), legend);
  return el(
    "figure",
    { id, class: "fig", "aria-labelledby": `${id}-title` },
    head,
    ...body,
    el("figcaption", {}, prose(caption)),
    numbers && numbers.rows.length > 0 ? numbersTable(numbers, title) : null,
  );
}

const MAX_ROWS = 400;

function numbersTable(numbers: Numbers, title: string): HTMLElement {
  const rows = numbers.rows
    .slice(0, MAX_ROWS)
    .map((row) => el("tr", {}, ...row.map((cell, i) => (i === 0 ? el("th", { scope: "row" }, String(cell)) : el("td", {}, String(cell))))));
  const left = numbers.rows.length - rows.length;
  return el(
    "details",
    { class: "numbers" },
    el("summary", {}, "Numbers"),
    el(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of: ${title}` },
      el("table", {}, el("thead", {}, el("tr", {}, ...numbers.columns.map((c) => el("th", { scope: "col" }, c)))), el("tbody", {}, ...rows)),
    ),
    left > 0 ? el("p", { class: "more" }, `${left} more rows are in results.json.`) : null,
  );
}

/** A grid of panels, `columns` beside one another where there is room. */
export function grid(columns: number, ...panels: Child[]): HTMLElement {
  return el("div", { class: `grid grid-${columns}` }, ...panels);
}

/** A panel of a grid with a heading and, in small print, a remark. */
export function panel(heading: Child, note: string, ...body: Child[]): HTMLElement {
  return el(
    "div",
    { class: "panel" },
    el("div", { class: "panel-head" }, heading, note === "" ? null : el("span", { class: "panel-note" }, note)),
    ...body,
  );
}
