/** `tritlens convert`: a checkpoint in fewer bits, or in another program's format. */
import { rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import {
  type ConvertOptions,
  type ConvertReport,
  convertModel,
  type GgufMatrixType,
  type Granularity,
  METHODS,
  type QuantizeMethod,
  type Saved,
  type SaveFormat,
  type SaveOptions,
  saveModel,
} from "../convert/index.ts";
import { loadCore, TritlensError } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { writeFileAtomic } from "../io/index.ts";
import { EXIT, printable } from "./exit.ts";
import { Meter } from "./meter.ts";
import { textTokens } from "./sample.ts";
import type { Screen } from "./screen.ts";
import { stopOnSignals } from "./signals.ts";
import { integer } from "./text.ts";

/** What `--to` may be. */
export const TARGETS = ["ternary", "binary", "gguf", "safetensors", "hf-bitnet"] as const;

/** Options of the command. */
export interface ConvertCommand {
  to: (typeof TARGETS)[number];
  method?: QuantizeMethod;
  granularity?: Granularity;
  groupSize?: number;
  shift?: boolean;
  activations?: "f32" | "int8";
  names?: string[];
  layers?: number[];
  type?: GgufMatrixType;
  dtype?: "f32" | "f16" | "bf16";
  lossy?: boolean;
  text?: string;
  force?: boolean;
  report?: string;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** Runs the command. @throws what loading, converting and saving throw. */
export async function runConvert(input: string, output: string, options: ConvertCommand, screen: Screen): Promise<number> {
  const save = saveOptions(output, options);
  const quantize = quantizeOptions(options, save);
  await requireFree(output, options.force ?? false);
  const stop = stopOnSignals((text) => screen.print(text), "Stopping; nothing is left behind. Once more to quit at once.");
  const meter = new Meter(screen);
  try {
    const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
    if (options.threads !== undefined) core.setThreads(options.threads);
    const watch = (what: string) => ({ signal: stop.signal, onProgress: meter.watch(what) });
    using model = await Model.fromPretrained(input, { core, ...watch("reading") });
    const sample = quantize && options.text !== undefined ? { tokens: await textTokens(model, options.text) } : {};
    const converted = quantize ? await convertModel(model, { ...quantize, ...sample, ...watch("quantising") }) : undefined;
    using result = converted?.model ?? model;
    const saved = await saveModel(result, output, { ...save, ...watch("writing") });
    screen.clear();
    if (converted) screen.print(printable(String(converted.report)));
    for (const note of saved.notes) screen.print(printable(`note: ${note}`));
    const path = options.report ?? (save.format === "gguf" ? `${output}.report.json` : join(output, "conversion.json"));
    await writeFileAtomic(path, reportJson(input, output, save.format, converted?.report, saved));
    screen.print(
      printable(`wrote ${resolve(output)} (${save.format}, ${saved.architecture}, ${integer(saved.bytes)} bytes); report ${resolve(path)}`),
    );
    return EXIT.ok;
  } catch (error) {
    if (stop.code === 0) throw error;
    screen.print("Stopped; nothing was written.");
    return stop.code;
  } finally {
    screen.clear();
    stop.dispose();
  }
}

function saveOptions(output: string, { to, type, dtype, lossy, activations }: ConvertCommand): SaveOptions {
  const common = { ...(dtype ? { dtype } : {}), ...(lossy ? { lossy } : {}) };
  const isFile = output.endsWith(".gguf");
  const format: SaveFormat = to === "ternary" || to === "binary" ? (isFile ? "gguf" : folderFormat(to, activations)) : to;
  if ((format === "gguf") !== isFile)
    throw new TritlensError("E_RANGE", `wrong output for ${format}`, {
      expected: format === "gguf" ? "a path that ends in .gguf" : "a folder",
      found: output,
    });
  if (type !== undefined && format !== "gguf")
    throw new TritlensError("E_RANGE", "--type goes with GGUF files", { expected: "an output that ends in .gguf", found: output });
  return { format, ...common, ...(type ? { ggufType: type } : {}) };
}

/** transformers packs ternary matrices with int8 activations; it has no other low-bit folder, so the rest is written as floats. */
function folderFormat(to: "ternary" | "binary", activations: "f32" | "int8" | undefined): SaveFormat {
  return to === "ternary" && activations !== "f32" ? "hf-bitnet" : "safetensors";
}

function quantizeOptions(o: ConvertCommand, save: SaveOptions): ConvertOptions | undefined {
  const given = o.method ?? o.granularity ?? o.groupSize ?? o.shift ?? o.activations ?? o.names ?? o.layers;
  const format = o.to === "binary" || (o.to !== "ternary" && o.method === "sign") ? "binary" : "ternary";
  if (o.to !== "ternary" && o.to !== "binary" && given === undefined) return undefined;
  if (o.method !== undefined && !METHODS[format].includes(o.method))
    throw new TritlensError("E_RANGE", `wrong method for ${format} codes`, { expected: METHODS[format].join(", "), found: o.method });
  const activations = o.activations ?? (save.format === "hf-bitnet" ? "int8" : undefined);
  return {
    format,
    ...(o.method ? { method: o.method } : {}),
    ...(o.granularity ? { granularity: o.granularity } : {}),
    ...(o.groupSize ? { groupSize: o.groupSize, granularity: "group" as const } : {}),
    ...(o.shift ? { shift: true } : {}),
    ...(activations ? { activations } : {}),
    ...(o.names ? { names: o.names } : {}),
    ...(o.layers ? { layers: o.layers } : {}),
  };
}

/** An existing output is not overwritten unless asked for. */
async function requireFree(output: string, force: boolean): Promise<void> {
  const there = await stat(output).then(
    () => true,
    () => false,
  );
  if (!there) return;
  if (!force) throw new TritlensError("E_RANGE", "the output exists already", { expected: "a new path, or --force", found: output });
  if (output.endsWith(".gguf")) await rm(`${output}.report.json`, { force: true });
}

function reportJson(
  input: string,
  output: string,
  format: SaveFormat,
  report: ConvertReport | undefined,
  { tensors, notes, ...saved }: Saved,
): Uint8Array {
  const json = { input, output, format, ...saved, notes, conversion: report ?? null, tensors };
  return new TextEncoder().encode(`${JSON.stringify(json, null, 1)}\n`);
}
