/** `tritlens lens`: what a model would say after every layer. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { loadCore, TritlensError } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { type LensReading, logitLens } from "../interp/index.ts";
import { writeFileAtomic } from "../io/index.ts";
import { type HeatmapChart, printChart } from "../plots/index.ts";
import { toTokens } from "../tokenizer/index.ts";
import { EXIT, printable } from "./exit.ts";
import { Meter } from "./meter.ts";
import { type Output, Screen } from "./screen.ts";
import { stopOnSignals } from "./signals.ts";

/** Options of the command. */
export interface LensCommand {
  prompt?: string;
  tokens?: number[];
  mid?: boolean;
  svg?: string;
  json?: boolean;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** Cells of a layer's name and of a token in the table. */
const [NAME, CELL] = [14, 9];

/** Runs the command. @throws What loading and the lens throw. */
export async function runLens(path: string, options: LensCommand, { out, err }: { out: Output; err: Output }): Promise<number> {
  if ((options.prompt === undefined) === (options.tokens === undefined))
    throw new TritlensError("E_RANGE", "one prompt is needed", {
      expected: "--prompt or --tokens",
      found: options.prompt === undefined ? "none" : "both",
    });
  const [screen, result] = [new Screen(err), new Screen(out)];
  const stop = stopOnSignals((text) => screen.print(text), "Stopping. Once more to quit at once.");
  try {
    const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
    if (options.threads !== undefined) core.setThreads(options.threads);
    using model = await Model.fromPretrained(path, { core, signal: stop.signal, onProgress: new Meter(screen).watch(`reading ${path}`) });
    screen.clear();
    const tokens = options.tokens ?? toTokens(model, options.prompt ?? "");
    const lens = await logitLens(model, [tokens], { inclMid: options.mid ?? false, signal: stop.signal });
    if (options.json) out.write(`${printable(JSON.stringify(numbers(lens), null, 1))}\n`);
    else out.write(`${tables(lens, result.width, result.colour)}\n`);
    if (options.svg !== undefined) {
      await writeFileAtomic(options.svg, new TextEncoder().encode(lens.svg()));
      err.write(printable(`picture  ${pathToFileURL(resolve(options.svg)).href}\n`));
    }
    return EXIT.ok;
  } catch (error) {
    if (stop.code === 0) throw error;
    return stop.code;
  } finally {
    screen.clear();
    stop.dispose();
  }
}

/** The grid, and how the last position's answer got to the top. */
function tables(lens: LensReading, width: number, color: boolean): string {
  const { grid, note } = lastPositions(lens.grid(), Math.max(1, Math.floor((width - NAME) / CELL)));
  return [printChart(grid, { width, color }), note, printChart(lens.trajectory(), { width })].join("\n");
}

/** What comes last in a prompt is asked about most: of more positions than fit, the last. */
function lastPositions(grid: HeatmapChart, most: number): { grid: HeatmapChart; note: string } {
  const count = grid.x.labels.length;
  if (count <= most) return { grid, note: "" };
  const kept = <T>(cells: ArrayLike<T>): T[] => Array.from(cells).filter((_, i) => i % count >= count - most);
  const x = { ...grid.x, labels: grid.x.labels.slice(-most) };
  return { grid: { ...grid, x, values: kept(grid.values), text: kept(grid.text ?? []) }, note: `the last ${most} of ${count} positions\n` };
}

/** Of every layer and position the likeliest token, its log probability, and what the answer's place is there. */
function numbers(lens: LensReading): object {
  const grid = lens.grid();
  const [tokens = []] = lens.tokens;
  const rows = <T>(cells: ArrayLike<T>): T[][] => lens.labels.map((_, l) => Array.from(cells).slice(l * tokens.length, (l + 1) * tokens.length));
  return {
    layers: lens.labels,
    tokens,
    top: rows(grid.text ?? []),
    probability: rows(grid.values),
    entropy: rows(lens.entropy.data),
    kl: rows(lens.kl.data),
  };
}
