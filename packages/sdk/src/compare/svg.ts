/** A heat map as SVG text. */
import { shortNumber } from "../core/text.ts";
import type { SiteComparison } from "./result.ts";

/** Pixels of a cell, of the margins, of a panel's heading. */
const CELL = { width: 46, height: 26 };
const LEFT = 76;
const HEADING = 26;
/** Height of a slanted label, a character. */
const SLANT = 5;

/** Light to dark; the text on a cell turns white where the cell is dark. */
const COLOURS = ["#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b"];
const DARK_FROM = 5;

/** A table of numbers with names. */
interface Panel {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly label: string; readonly cells: readonly (Cell | undefined)[] }[];
  /** The value of the darkest colour. */
  readonly most: number;
}

interface Cell {
  readonly value: number;
  readonly tip: string;
}

/** Draws a comparison. */
export function heatMap({ sites }: { readonly sites: readonly SiteComparison[] }, title: string): string {
  const panels = [errorPanel(sites), patternPanel(sites)].filter((p): p is Panel => p !== undefined && p.rows.length > 0);
  let top = 40;
  const parts: string[] = [];
  for (const panel of panels) {
    parts.push(draw(panel, top));
    top += gridTop(panel) + panel.rows.length * CELL.height + 30;
  }
  const width = Math.max(440, LEFT + Math.max(...panels.map((p) => p.columns.length), 1) * CELL.width + 90);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}" font-family="system-ui, sans-serif" font-size="11">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="12" y="24" font-size="15" font-weight="600" fill="#111111">${escaped(title)}</text>`,
    ...parts,
    "</svg>",
  ].join("\n");
}

/** Layers down, activations across; what lies outside of blocks gets rows before and after them. */
function errorPanel(sites: readonly SiteComparison[]): Panel {
  const inBlocks = sites.filter((s) => s.layer !== null);
  const kinds = [...new Set(inBlocks.map((s) => s.kind))];
  const layers = [...new Set(inBlocks.map((s) => s.layer as number))].sort((a, b) => a - b);
  const outside = [...new Set(sites.filter((s) => s.layer === null).map((s) => s.kind))];
  const columns = [...kinds, ...outside];
  const cell = (s: SiteComparison | undefined): Cell | undefined =>
    s && { value: s.relativeError, tip: `${s.name}: relative error ${shortNumber(s.relativeError)}, cosine ${s.cosine.toFixed(4)}` };
  const find = (layer: number | null, kind: string): Cell | undefined => cell(sites.find((s) => s.layer === layer && s.kind === kind));
  const rows = layers.map((layer) => ({ label: `block ${layer}`, cells: columns.map((kind) => find(layer, kind)) }));
  if (outside.length > 0) rows.push({ label: "outside", cells: columns.map((kind) => find(null, kind)) });
  return { heading: "relative error of each activation", columns: columns.map(short), rows, most: most(rows, 0.05) };
}

/** Layers down, heads across. */
function patternPanel(sites: readonly SiteComparison[]): Panel | undefined {
  const patterns = sites.filter((s) => s.kind === "attn.hook_pattern");
  if (patterns.length === 0) return undefined;
  const heads = Math.max(...patterns.map((s) => s.heads.length));
  const rows = patterns.map((s) => ({
    label: `block ${s.layer}`,
    cells: Array.from({ length: heads }, (_, h): Cell | undefined => {
      const kl = s.heads[h]?.kl;
      return kl === undefined ? undefined : { value: kl, tip: `${s.name}, head ${h}: KL ${shortNumber(kl)} nats` };
    }),
  }));
  return {
    heading: "KL of each head's attention pattern (nats)",
    columns: rows[0]?.cells.map((_, h) => `head ${h}`) ?? [],
    rows,
    most: most(rows, 0.01),
  };
}

function most(rows: Panel["rows"], least: number): number {
  return Math.max(least, ...rows.flatMap((r) => r.cells.map((c) => (c && Number.isFinite(c.value) ? c.value : 0))));
}

/** Where a panel's cells begin, below its top. */
function gridTop({ columns }: Panel): number {
  return HEADING + 12 + SLANT * Math.max(...columns.map((name) => name.length));
}

function draw(panel: Panel, top: number): string {
  const grid = top + gridTop(panel);
  const heading = `<text x="12" y="${top + 14}" font-size="12" fill="#333333">${escaped(panel.heading)}; darkest ${shortNumber(panel.most)}</text>`;
  const columns = panel.columns.map((name, c) => {
    const [x, y] = [LEFT + (c + 0.5) * CELL.width, grid - 6];
    return `<text x="${x}" y="${y}" fill="#333333" transform="rotate(-50 ${x} ${y})">${escaped(name)}</text>`;
  });
  const rows = panel.rows.flatMap(({ label, cells }, r) => {
    const y = grid + r * CELL.height;
    const name = `<text x="${LEFT - 8}" y="${y + 17}" text-anchor="end" fill="#333333">${escaped(label)}</text>`;
    return [name, ...cells.map((cell, c) => (cell ? drawCell(cell, panel.most, LEFT + c * CELL.width, y) : ""))];
  });
  return [heading, ...columns, ...rows].filter((s) => s !== "").join("\n");
}

function drawCell({ value, tip }: Cell, top: number, x: number, y: number): string {
  const level = Number.isFinite(value) ? Math.round((COLOURS.length - 1) * Math.min(1, value / top)) : COLOURS.length - 1;
  const ink = level >= DARK_FROM ? "#ffffff" : "#111111";
  const box = `<rect x="${x}" y="${y}" width="${CELL.width - 2}" height="${CELL.height - 2}" rx="2" fill="${COLOURS[level]}"/>`;
  const text = `<text x="${x + CELL.width / 2 - 1}" y="${y + 16}" text-anchor="middle" font-size="10" fill="${ink}">${shortNumber(value)}</text>`;
  return `<g><title>${escaped(tip)}</title>${box}${text}</g>`;
}

/** `attn.hook_z` as `attn.z`. */
function short(kind: string): string {
  return kind.replace("hook_", "");
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
