/** `tritlens inspect`. */
import { type InspectedWeight, type Inspection, inspect } from "../checkpoint/index.ts";
import { loadCore } from "../core/index.ts";
import type { LoadProgress } from "../io/index.ts";
import { EXIT, printable } from "./exit.ts";
import { type Output, Screen } from "./screen.ts";
import { stopOnSignals } from "./signals.ts";
import { bar, integer, percent, table } from "./text.ts";

/** Options of the command. */
export interface InspectCommandOptions {
  json?: boolean;
  /** False with `--no-scan`. */
  scan?: boolean;
  backend?: "auto" | "native" | "wasm";
}

/** Prints what a checkpoint is. @throws What opening it throws. */
export async function runInspect(path: string, options: InspectCommandOptions, { out, err }: { out: Output; err: Output }): Promise<number> {
  const screen = new Screen(err);
  const stop = stopOnSignals(() => undefined);
  const onProgress = ({ status, loaded, total }: LoadProgress): void => {
    if (status === "progress_total") screen.block(() => [`counting zeros ▕${bar(loaded / total, 30)}▏ ${megabytes(loaded)} / ${megabytes(total)}`]);
  };
  try {
    const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
    const found = await inspect(path, { core, signal: stop.signal, onProgress, scan: options.scan ?? true });
    screen.clear();
    out.write(options.json ? `${JSON.stringify(found, null, 1)}\n` : `${printable(text(found))}\n`);
    return EXIT.ok;
  } finally {
    stop.dispose();
    screen.clear();
  }
}

function megabytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

function text(found: Inspection): string {
  const { config: c, memory } = found;
  const heads = c.nKeyValueHeads === c.nHeads ? "" : ` (${c.nKeyValueHeads} of keys and values)`;
  const facts = [
    ["architecture", `${found.architecture}, ${found.kind}`],
    ["source", found.source],
    ["layers", `${c.nLayers} of ${c.nHeads} heads${heads} of ${c.dHead}, ${c.dMlp} neurons, residual stream ${c.dModel}`],
    ["vocabulary", `${integer(c.dVocab)} tokens${c.tiedEmbeddings ? ", embeddings tied" : ""}`],
    ["context", `${integer(c.nCtx)} positions, ${c.positions}`],
    ["activations", c.actQuant === "int8" ? "int8 per token" : "f32"],
    ["weights", `${integer(found.parameters)} in ${megabytes(found.bytes)}: ${found.bitsPerWeight.toFixed(2)} bits each`],
    ...(found.zeros === undefined ? [] : [["zeros", `${percent(found.zeros)} of the packed weights`]]),
  ];
  const rows = found.weights.filter((w) => w.shape.length === 2).map(weightRow);
  const plan = [
    ["weights", megabytes(memory.weights)],
    ["keys and values", megabytes(memory.cache)],
    ["activations", megabytes(memory.activations)],
    ["logits", megabytes(memory.captures)],
    ["in all", megabytes(memory.total)],
  ];
  const [seq, capacity] = [Math.min(512, c.nCtx), Math.min(2048, c.nCtx)];
  return [
    table(facts),
    "",
    table([["matrix", "", "shape", "file", "memory", "bits", "size", "zeros"], ...rows], [1, 5, 6, 7]),
    "",
    `memory for a prompt of ${seq} tokens in a session of ${capacity} positions`,
    table(plan, [1]),
  ].join("\n");
}

function weightRow(w: InspectedWeight): string[] {
  return [
    w.name,
    `${w.count} x`,
    `[${w.shape.join(", ")}]`,
    w.type,
    w.format,
    w.bitsPerWeight.toFixed(2),
    megabytes(w.bytes),
    w.zeros === undefined ? "-" : percent(w.zeros),
  ];
}
