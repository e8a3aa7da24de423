/** Labels: what is invisible made visible, how wide they are, and shorter ones where they do not fit. */

/** How a text is set. */
export interface Type {
  /** Pixels. */
  readonly size: number;
  /** Monospaced. */
  readonly mono?: boolean;
  /** Semi-bold. */
  readonly bold?: boolean;
}

/** Characters looked at; nobody reads more in a picture. */
const MOST = 400;

/** Widths in ems of the widest sans-serif that systems fall back to (DejaVu Sans), so that nothing is wider than thought. */
const WIDTHS: readonly [RegExp, number][] = [
  [/[\p{M}\u200b-\u200f]/u, 0],
  [/[ijl'|!.,:;·]/, 0.34],
  [/[ ftrI()[\]\-/\\"]/, 0.42],
  [/[mwMW@%—…⏎]/, 1],
  [/[+=<>~#_−]/, 0.84],
  [/[A-Z&]/, 0.76],
  [/[a-z0-9$?*^]/, 0.64],
  [/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Extended_Pictographic}/u, 1.1],
];
const OTHER = 0.8;
const known = new Map<string, number>();

function emsOf(character: string): number {
  let ems = known.get(character);
  if (ems === undefined) {
    ems = WIDTHS.find(([which]) => which.test(character))?.[1] ?? OTHER;
    if (known.size < 4096) known.set(character, ems);
  }
  return ems;
}

/** Cells of a terminal, and of a monospaced font. */
function cellsOf(character: string): number {
  const ems = emsOf(character);
  return ems === 0 ? 0 : ems > 1 ? 2 : 1;
}

/** Pixels a text takes at most. */
export function widthOf(text: string, { size, mono = false, bold = false }: Type): number {
  let ems = 0;
  for (const c of text.slice(0, MOST)) ems += mono ? 0.605 * cellsOf(c) : emsOf(c);
  return ems * size * (bold ? 1.08 : 1);
}

/** A text in at most so many pixels: names lose their middle, tokens (monospaced) their end. */
export function shorten(text: string, width: number, type: Type): string {
  if (text.length <= MOST && widthOf(text, type) <= width) return text;
  const characters = [...text.slice(0, MOST)];
  const tail = type.mono ? 0 : [...text.slice(-MOST)].length;
  for (let keep = characters.length - 1; keep > 0; keep--) {
    const back = Math.min(tail, Math.floor(keep / 3));
    const short = `${characters.slice(0, keep - back).join("")}…${back > 0 ? [...text.slice(-MOST)].slice(-back).join("") : ""}`;
    if (widthOf(short, type) <= width) return short;
  }
  return "…";
}

/** Cells of a terminal that a text takes. */
export function cellCount(text: string): number {
  return [...text].reduce((n, c) => n + cellsOf(c), 0);
}

/** A text in at most so many cells. */
export function fitCells(text: string, cells: number): string {
  return shorten(text, cells + 0.01, { size: 1 / 0.605, mono: true });
}

/** Lines of at most so many cells. */
export function wrapCells(text: string, cells: number): string[] {
  return wrap(text, cells + 0.01, { size: 1 / 0.605, mono: true }, 20);
}

/** A text at the right end of so many cells. */
export function padCells(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - cellCount(text))) + text;
}

/** Lines of at most so many pixels, at most `most` of them. */
export function wrap(text: string, width: number, type: Type, most: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(/\s+/)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && widthOf(longer, type) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  if (line !== "") lines.push(line);
  const kept = lines.slice(0, most);
  if (lines.length > most) kept[most - 1] = `${kept[most - 1]} …`;
  return kept.map((l) => shorten(l, width, type));
}

/** A token or a name in visible characters: line breaks, control characters, and the spaces at its ends (all of them in a token). */
export function visible(text: string, token = false): string {
  const spaces = token ? / /g : /^ +| +$/g;
  return text
    .slice(0, 4 * MOST)
    .replace(/\r?\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(spaces, (s) => "·".repeat(s.length))
    .replace(/\p{Cc}/gu, "?");
}

/** Control characters, halves of surrogate pairs and the two non-characters. */
const NOT_XML = /[^\t\n\r\P{Cc}]|\p{Cs}|[\ufffe\uffff]/gu;

/** Text as XML, whatever it holds: what XML cannot say becomes the replacement character. */
export function escaped(text: string): string {
  return text.replace(NOT_XML, "\ufffd").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
