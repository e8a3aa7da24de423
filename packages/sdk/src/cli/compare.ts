/** `tritlens compare`: two checkpoints, activation by activation. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { compareModels } from "../compare/index.ts";
import { loadCore, TritlensError } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { writeFileAtomic } from "../io/index.ts";
import { EXIT, printable } from "./exit.ts";
import { Meter } from "./meter.ts";
import { textTokens } from "./sample.ts";
import type { Screen } from "./screen.ts";
import { stopOnSignals } from "./signals.ts";

/** Options of the command. */
export interface CompareCommand {
  text?: string;
  tokens?: number[];
  names?: string[];
  svg?: string;
  json?: boolean;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** What most questions are about; `--names` asks for others. */
const NAMES = ["blocks.*.attn.hook_pattern", "blocks.*.attn.hook_z", "blocks.*.hook_attn_out", "blocks.*.hook_mlp_out", "blocks.*.hook_resid_post"];

/** Runs the command. @throws what loading and comparing throw. */
export async function runCompare(a: string, b: string, options: CompareCommand, screen: Screen): Promise<number> {
  if ((options.text === undefined) === (options.tokens === undefined))
    throw new TritlensError("E_RANGE", "something to run on is needed", {
      expected: "--text FILE or --tokens LIST",
      found: options.text ? "both" : "neither",
    });
  const stop = stopOnSignals((text) => screen.print(text), "Stopping. Once more to quit at once.");
  const meter = new Meter(screen);
  try {
    const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
    if (options.threads !== undefined) core.setThreads(options.threads);
    const open = (path: string) => Model.fromPretrained(path, { core, signal: stop.signal, onProgress: meter.watch(`reading ${path}`) });
    using first = await open(a);
    using second = await open(b);
    const tokens = options.text === undefined ? (options.tokens as number[]) : await textTokens(first, options.text);
    const watch = meter.watch("comparing");
    const names = options.names ?? NAMES;
    const comparison = await compareModels(first, second, tokens, {
      names,
      signal: stop.signal,
      onProgress: (share) => watch({ loaded: share, total: 1 }),
    });
    screen.print(printable(options.json ? JSON.stringify(comparison, null, 1) : String(comparison)));
    if (options.svg !== undefined) {
      await writeFileAtomic(options.svg, new TextEncoder().encode(`${comparison.toSvg(`${b} beside ${a}`)}\n`));
      if (!options.json) screen.print(printable(`picture  ${pathToFileURL(resolve(options.svg)).href}`));
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
