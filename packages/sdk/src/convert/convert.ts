/** A model with its matrices quantised after training. */
import { LogitDifferences } from "../compare/differences.ts";
import { TritlensError } from "../core/errors.ts";
import { Model, type NameFilter, selectSites, type Tokens } from "../hooks/index.ts";
import { type KeptParam, keptParams } from "../hooks/stored.ts";
import { type TransformerConfig, transformerConfig, transformerSpec } from "../models/index.ts";
import { copyParam } from "./copy.ts";
import { type LayerReport, layerReport } from "./layer-report.ts";
import { type QuantizedMatrix, type QuantizeOptions, type QuantizePlan, quantizeMatrix, quantizePlan } from "./quantize.ts";
import { ConvertReport } from "./report.ts";

/** Progress in the shape of transformers.js: weights looked at so far. */
export interface ConvertProgress {
  /** Before a matrix, after it, after all. */
  readonly status: "initiate" | "progress" | "done";
  /** The matrix at hand. */
  readonly file: string;
  /** Weights done. */
  readonly loaded: number;
  /** Weights of all parameters. */
  readonly total: number;
  /** Percent. */
  readonly progress: number;
}

/** What is converted, and how. */
export interface ConvertOptions extends QuantizeOptions {
  /** Which matrices of the blocks: `blocks.*.mlp.*`, a list, a predicate; all of them (W_Q, W_K, W_V, W_O, W_in, W_gate, W_out) when left out. Embeddings stay dense. */
  readonly names?: NameFilter;
  /** Blocks to convert; all when left out. */
  readonly layers?: readonly number[];
  /** `int8` quantises the inputs of converted matrices, one scale a token (BitNet b1.58): faster, and lossy once more. As the model has it when left out (`f32` for most). */
  readonly activations?: "f32" | "int8";
  /** Tokens to compare the logits on; random ones when left out, which show less than real text; null compares nothing. */
  readonly tokens?: Tokens | null;
  /** Called before and after each matrix. */
  readonly onProgress?: (event: ConvertProgress) => void;
  /** Stops between matrices. */
  readonly signal?: AbortSignal;
}

/** The new model, and what was lost. */
export interface Converted {
  /** Packed, on the same core; the caller disposes it. */
  readonly model: Model;
  /** Prints as text, serialises as JSON. */
  readonly report: ConvertReport;
}

/**
 * Quantises the matrices of a model's blocks and keeps them packed. Lossy: a network that was not trained for low-bit weights loses most of what it can (the report says how much); a
 * model that was trained with a quantiser keeps its trained codes, and is only packed.
 *
 * The model given is left as it is. Not for training further: packed matrices have no latent weights.
 *
 * @example
 * ```ts
 * const { model: packed, report } = await convertModel(model, { format: "ternary", method: "twnExact", granularity: "row", tokens });
 * console.log(String(report));
 * await saveModel(packed, "out.gguf", { format: "gguf", ggufType: "tq2_0" });
 * ```
 * @throws E_NAME, E_MODE, E_SHAPE for wrong options (groups that do not divide a matrix), E_NONFINITE for weights that are no numbers, E_SPEC for a model without a config, E_ABORTED.
 */
export async function convertModel(model: Model, options: ConvertOptions): Promise<Converted> {
  const plan = quantizePlan(options);
  const config = requireConfig(model);
  const activations = options.activations ?? (config.actQuant === "int8" ? "int8" : "f32");
  const params = keptParams(model);
  const matrices = params.filter((p) => isBlockMatrix(p.name));
  const chosen = new Set(choose(matrices, options));
  const low = (p: KeptParam): boolean => chosen.has(p.name) || p.quant !== "none" || isPacked(p);
  const kept = matrices.filter((p) => !low(p)).map((p) => p.name);
  const result = emptyModel(model, packedConfig(config, activations, kept), params, low, plan);
  try {
    const started = performance.now();
    const layers = await fill(model, result, params, low, options);
    const seconds = (performance.now() - started) / 1000;
    const logits = compareLogits(model, result, options.tokens);
    const weights = layers.reduce((n, l) => n + l.rows * l.cols, 0);
    const report = new ConvertReport({
      lossy: layers.some((l) => l.method !== "trained") || activations !== (config.actQuant === "int8" ? "int8" : "f32"),
      options: { ...plan, activations },
      layers,
      kept,
      weights,
      bitsPerWeight: weights > 0 ? layers.reduce((n, l) => n + l.bitsPerWeight * l.rows * l.cols, 0) / weights : 0,
      bytes: [bytesOf(model), bytesOf(result)],
      logits,
      seconds,
    });
    result.tokenizer = model.tokenizer;
    return { model: result, report };
  } catch (error) {
    result.dispose();
    throw error;
  }
}

function requireConfig(model: Model): TransformerConfig {
  if (model.config) return model.config;
  throw new TritlensError("E_SPEC", "convertModel needs to know which parameters are matrices of blocks", {
    expected: "a model with a config",
    found: "a model from a bare Spec",
  });
}

function isBlockMatrix(name: string): boolean {
  return /^blocks\.\d+\.(attn|mlp)\.W_/.test(name);
}

function isPacked(p: KeptParam): boolean {
  return p.format === "binary" || p.format.startsWith("ternary");
}

function choose(matrices: readonly KeptParam[], { names, layers }: ConvertOptions): string[] {
  const inLayers = matrices.filter((p) => !layers || layers.includes(Number(p.name.split(".")[1]))).map((p) => p.name);
  if (inLayers.length === 0) {
    const blocks = new Set(matrices.map((p) => p.name.split(".")[1])).size;
    throw new TritlensError("E_RANGE", "no block is left to convert", {
      expected: `layers from 0 to ${blocks - 1}`,
      found: `[${(layers ?? []).join(", ")}]`,
    });
  }
  return names === undefined ? inLayers : selectSites(names, inLayers, "matrix").map((i) => inLayers[i] as string);
}

function packedConfig(config: TransformerConfig, activations: "f32" | "int8", kept: readonly string[]): TransformerConfig {
  if (config.linearNorm && kept.some((name) => !config.plainMatrices.includes(name)))
    throw new TritlensError("E_MODE", "matrices with norms of their own can only be converted together", {
      expected: "no names and layers",
      found: kept.join(", "),
    });
  const int8 = activations === "int8";
  return transformerConfig({
    ...config,
    quantizer: "none",
    stored: true,
    actQuant: int8 ? "int8" : "none",
    quantSites: int8,
    plainMatrices: int8 || config.linearNorm ? kept : [],
  });
}

/** A model to fill, which remembers the checkpoint that the first one came from. */
function emptyModel(
  model: Model,
  config: TransformerConfig,
  params: readonly KeptParam[],
  low: (p: KeptParam) => boolean,
  plan: QuantizePlan,
): Model {
  const { core, checkpoint } = model;
  const spec = transformerSpec(config);
  if (!checkpoint) return Model.fromSpec(spec, { core, config });
  const becomes = new Map(params.filter((p) => low(p) && !isPacked(p)).map((p) => [p.name, packedSize(model, p, plan)]));
  const weights = checkpoint.weights.map((w) => ({ ...w, ...becomes.get(w.param) }));
  const bytes = weights.reduce((n, w) => n + w.bytes, 0);
  return Model.fromSpec(spec, {
    core,
    config,
    checkpoint: { ...checkpoint, weights, bytes, bitsPerWeight: (checkpoint.bitsPerWeight * bytes) / checkpoint.bytes },
  });
}

/** Format and bytes of a matrix once it is packed: its codes, as `describeStored` counts. */
function packedSize({ core }: Model, p: KeptParam, plan: QuantizePlan): { format: string; bytes: number } {
  const [rows, cols] = p.shape as [number, number];
  const trained = p.quant !== "none";
  const format = (trained ? p.quant.endsWith("ternary") : plan.format === "ternary") ? "ternary2" : "binary";
  const groups = !trained && plan.granularity === "group" ? cols / plan.groupSize : 1;
  return { format, bytes: core.storedBytes(format, rows * groups, cols / groups) };
}

/** Fills every parameter of the new model; quantises those that `low` names. */
async function fill(
  model: Model,
  result: Model,
  params: readonly KeptParam[],
  low: (p: KeptParam) => boolean,
  options: ConvertOptions,
): Promise<LayerReport[]> {
  const total = params.reduce((n, p) => n + p.shape.reduce((x, y) => x * y, 1), 0);
  const targets = new Map(keptParams(result).map((p) => [p.name, p.index]));
  const layers: LayerReport[] = [];
  let loaded = 0;
  for (const p of params) {
    const say = (status: ConvertProgress["status"]): void =>
      options.onProgress?.({ status, file: p.name, loaded, total, progress: (100 * loaded) / total });
    // Lets a waiting abort come in.
    await new Promise((resume) => setTimeout(resume, 0));
    if (options.signal?.aborted) throw new TritlensError("E_ABORTED", "the conversion was stopped", { cause: options.signal.reason });
    say("initiate");
    const target = targets.get(p.name) as number;
    if (low(p) && !isPacked(p)) layers.push(pack(model, result, p, target, options));
    else {
      copyParam(model, p, result, target);
      if (isPacked(p)) layers.push(packedReport(result, p, target));
    }
    loaded += p.shape.reduce((x, y) => x * y, 1);
    say("progress");
  }
  options.onProgress?.({ status: "done", file: "", loaded: total, total, progress: 100 });
  return layers;
}

/** Quantises a matrix, or takes the codes it was trained with. */
function pack(model: Model, result: Model, p: KeptParam, target: number, options: ConvertOptions): LayerReport {
  const [rows, cols] = p.shape as [number, number];
  const trained = p.quant !== "none";
  const { core, program } = result;
  const w = (trained ? model.effectiveParam(p.name) : model.readParam(p.name)).data;
  const q = trained ? trainedCodes(model, p) : quantizeMatrix(w, rows, cols, options);
  const format = q.codes.includes(0) || (!trained && options.format === "ternary") ? "ternary2" : "binary";
  core.setStoredCodes(program, target, format, q.scales.length === 1 ? 0 : q.group, q.codes, q.scales, q.shifts);
  const { bytes } = core.describeStored(program, target);
  return layerReport({ name: p.name, rows, cols, method: trained ? "trained" : quantizePlan(options).method, bytes }, w, q);
}

function trainedCodes(model: Model, p: KeptParam): QuantizedMatrix {
  const { codes, scale } = model.paramCodes(p.name);
  return { codes, scales: Float32Array.of(scale), shifts: new Float32Array(0), group: p.shape[1] as number };
}

/** A matrix that was packed before: its numbers against themselves. */
function packedReport(result: Model, p: KeptParam, target: number): LayerReport {
  const [rows, cols] = p.shape as [number, number];
  const { core, program } = result;
  const info = core.describeStored(program, target);
  const q: QuantizedMatrix = {
    codes: new Int8Array(rows * cols),
    scales: new Float32Array(info.scales),
    shifts: new Float32Array(info.shifts),
    group: info.group || cols,
  };
  core.readStoredCodes(program, target, q.codes);
  core.readStoredScales(program, target, 0, q.scales);
  if (q.shifts.length > 0) core.readStoredScales(program, target, 1, q.shifts);
  return layerReport({ name: p.name, rows, cols, method: "trained", bytes: info.bytes }, result.readParam(p.name).data, q);
}

function bytesOf(model: Model): number {
  return keptParams(model).reduce((n, p) => n + (p.stored ? model.core.describeStored(model.program, p.index).bytes : 4 * p.length), 0);
}

/** Rows of random tokens, and their most tokens. */
const SAMPLE = { rows: 4, pos: 32 };

function compareLogits(a: Model, b: Model, tokens: Tokens | null | undefined) {
  if (tokens === null) return null;
  const sums = new LogitDifferences();
  const sample = tokens ?? randomTokens(a);
  sums.add(a.forward(sample), b.forward(sample));
  return { ...sums.read(), tokens: tokens === undefined ? ("random" as const) : ("given" as const) };
}

function randomTokens(model: Model): Tokens {
  const { vocab, ctx } = model.spec;
  const pos = Math.min(ctx, SAMPLE.pos);
  const uniform = new Float32Array(SAMPLE.rows * pos);
  model.core.random(0, 0, 0, uniform);
  return { data: Int32Array.from(uniform, (u) => Math.min(vocab - 1, Math.floor(u * vocab))), shape: [SAMPLE.rows, pos] };
}
