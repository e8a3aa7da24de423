/** Opening a checkpoint from anywhere for analysis: what the file does not say comes from a JSON beside it, from its shapes, or from the caller. */
import { readFile } from "node:fs/promises";
import { TritlensError } from "../core/index.ts";
import { readSafetensors, type SafetensorsFile } from "../io/index.ts";
import { configFromTransformerLens, type TransformerOptions } from "../models/index.ts";
import { type Checkpoint, dataFromDescription, type LiRun, loadCheckpoint, modularAddition } from "../train/index.ts";
import { readJson } from "./folder.ts";
import { labMode } from "./modes.ts";

/** What a caller may say about a checkpoint. */
export interface OpenOptions {
  /** Modulus. */
  readonly p?: number;
  /** Mode of the weights. */
  readonly mode?: string;
  /** JSON file with the indices trained on. */
  readonly train?: string;
}

/** A checkpoint and the pairs it was trained on. */
export interface OpenedCheckpoint {
  /** The checkpoint. */
  readonly checkpoint: Checkpoint;
  /** Modulus. */
  readonly p: number;
  /** Indices a * p + b trained on. */
  readonly trainIndices: Int32Array;
  /** Name of the mode, for tables: `nanda_fp32` where positions tell Nanda's architecture. */
  readonly mode: string;
  /** What had to be assumed, in words. */
  readonly assumed: readonly string[];
}

/**
 * Opens tritlens's own checkpoints, those of the PyTorch reference script (NAME.safetensors, NAME.json) and TransformerLens state dicts.
 *
 * @throws E_IO, E_FORMAT, E_CHECKPOINT naming what is missing or does not fit; E_MODE for an unknown mode; E_RANGE for indices out of range.
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<OpenedCheckpoint> {
  if (options.mode !== undefined) labMode(options.mode);
  const sibling = path.endsWith(".safetensors") ? await readJson<Sibling>(path.replace(/\.safetensors$/, ".json")).catch(() => null) : null;
  const given = options.train === undefined ? undefined : await readIndices(options.train);
  const file = await readSafetensors(path);
  const checkpoint = await loadCheckpoint(path, { ...liOptions(file, sibling, options, given), ...lensOptions(file, sibling, options) });
  requireAgreement(checkpoint, options);
  const p = options.p ?? checkpoint.data?.p ?? checkpoint.config.dVocab - 1;
  const split = trainIndices(checkpoint, p, given);
  return { checkpoint, p, ...split, mode: options.mode ?? modeName(checkpoint) };
}

/** What the caller says may fill gaps, not contradict the file. @throws E_CHECKPOINT. */
function requireAgreement({ format, config, data }: Checkpoint, { p, mode }: OpenOptions): void {
  if (format !== "tritlens") return;
  const quantizer = mode === undefined ? config.quantizer : labMode(mode).config(3).quantizer;
  if (quantizer !== config.quantizer)
    throw new TritlensError("E_CHECKPOINT", "the checkpoint is of another mode", { expected: config.quantizer, found: quantizer });
  if (p !== undefined && data !== undefined && data.p !== p)
    throw new TritlensError("E_CHECKPOINT", "the checkpoint is of another modulus", { expected: String(data.p), found: String(p) });
}

/** A JSON beside the weights: a reference run's, or one with a TransformerLens config. */
type Sibling = Partial<LiRun> & { config?: Record<string, unknown>; cfg?: Record<string, unknown> };

const has = (file: SafetensorsFile, name: string): boolean => file.tensors.has(name);
const dim = (file: SafetensorsFile, name: string, axis: number): number => file.tensors.get(name)?.shape[axis] ?? 0;

function liOptions(file: SafetensorsFile, sibling: Sibling | null, options: OpenOptions, given: Int32Array | undefined): { run?: LiRun } {
  if (!has(file, "W_E") || !has(file, "W_Q")) return {};
  const mode = options.mode ?? sibling?.args?.mode;
  if (mode === undefined)
    throw new TritlensError("E_CHECKPOINT", "the file does not say how its weights are quantised", {
      expected: "a JSON beside it with args.mode, or --mode",
      found: "neither",
    });
  const p = options.p ?? sibling?.args?.p ?? dim(file, "W_E", 0) - 1;
  return { run: { args: { ...sibling?.args, mode, p }, train: given ? Array.from(given) : (sibling?.train ?? []) } };
}

function lensOptions(file: SafetensorsFile, sibling: Sibling | null, { mode }: OpenOptions): { config?: TransformerOptions } {
  if (!has(file, "embed.W_E") || !has(file, "blocks.0.attn.W_Q")) return {};
  const written = sibling?.config ?? sibling?.cfg;
  const config = written ? configFromTransformerLens(written) : configFromShapes(file);
  const quantizer = mode === undefined || mode === "nanda_fp32" || mode === "fp32" ? "none" : mode;
  return { config: { ...config, readout: "last", quantizer: quantizer as NonNullable<TransformerOptions["quantizer"]> } };
}

/** The architecture that TransformerLens's grokking demo and Nanda's code train, sized by the tensors. Used when no config lies beside the file. */
function configFromShapes(file: SafetensorsFile): TransformerOptions {
  const positions = has(file, "pos_embed.W_pos");
  return {
    nLayers: [...file.tensors.keys()].filter((n) => /^blocks\.\d+\.attn\.W_Q$/.test(n)).length,
    dVocab: dim(file, "embed.W_E", 0),
    dModel: dim(file, "embed.W_E", 1),
    nHeads: dim(file, "blocks.0.attn.W_Q", 0),
    dHead: dim(file, "blocks.0.attn.W_Q", 2),
    dMlp: dim(file, "blocks.0.mlp.W_in", 1),
    dVocabOut: dim(file, "unembed.W_U", 1),
    nCtx: positions ? dim(file, "pos_embed.W_pos", 0) : 3,
    positions: positions ? "standard" : "none",
    attentionDir: "causal",
    normalization: "none",
    finalNorm: has(file, "ln_final.w") ? "RMS" : "none",
    attnBias: has(file, "blocks.0.attn.b_Q"),
    mlpBias: has(file, "blocks.0.mlp.b_in"),
    unembedBias: has(file, "unembed.b_U"),
    actFn: "relu",
  };
}

function trainIndices(checkpoint: Checkpoint, p: number, given: Int32Array | undefined): Pick<OpenedCheckpoint, "trainIndices" | "assumed"> {
  if (given) return { trainIndices: modularAddition({ p, trainIndices: given }).trainIndices, assumed: [] };
  if (checkpoint.trainIndices && checkpoint.trainIndices.length > 0) return { trainIndices: checkpoint.trainIndices, assumed: [] };
  if (checkpoint.data && checkpoint.data.split !== "given") return { trainIndices: dataFromDescription(checkpoint.data).trainIndices, assumed: [] };
  const split = checkpoint.format === "transformerlens" ? "nanda" : "li";
  const which = split === "li" ? "Li's split (torch seed 598)" : "Nanda's split (Python seed 0)";
  return {
    trainIndices: modularAddition({ p, split }).trainIndices,
    assumed: [`the file does not say which pairs it was trained on: ${which}, 30 %, is assumed (say it with --train FILE)`],
  };
}

function modeName({ config }: Checkpoint): string {
  if (config.quantizer !== "none") return config.quantizer;
  return config.positions === "none" ? "fp32" : "nanda_fp32";
}

/** A list of indices, or an object with one under `train`. @throws E_IO, E_FORMAT. */
async function readIndices(path: string): Promise<Int32Array> {
  const bytes = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new TritlensError("E_IO", `cannot read ${path}`, { found: cause instanceof Error ? cause.message : String(cause), cause });
  });
  const parsed = parse(bytes, path);
  const list = Array.isArray(parsed) ? parsed : (parsed as { train?: unknown } | null)?.train;
  if (!Array.isArray(list) || !list.every((i) => Number.isInteger(i))) {
    throw new TritlensError("E_FORMAT", `${path} has no training indices`, {
      expected: "a list of integers, or an object with one under train",
      found: Array.isArray(list) ? "a list of other things" : typeof parsed,
    });
  }
  return Int32Array.from(list as number[]);
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TritlensError("E_FORMAT", `${path} is not JSON`, {
      expected: "a list of integers, or an object with one under train",
      found: text.slice(0, 20),
      cause,
    });
  }
}
