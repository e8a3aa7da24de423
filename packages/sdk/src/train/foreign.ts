/** Checkpoints that other programs wrote: Li's reference script, and TransformerLens's state dicts. */
import { TritlensError } from "../core/errors.ts";
import { type StoredTensor, toTensor } from "../io/safetensors.ts";
import {
  liConfig,
  MODES,
  type Mode,
  type TransformerConfig,
  type TransformerOptions,
  toTransformerLens,
  transformerConfig,
  transformerLensName,
  transformerSpec,
} from "../models/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { DataDescription } from "./data.ts";

/** Arguments of Li's reference script. */
export interface LiArguments {
  /** Training mode. */
  readonly mode: string;
  /** Modulus. */
  readonly p: number;
  readonly [key: string]: unknown;
}

/** The JSON that Li's reference script writes beside its weights. */
export interface LiRun {
  /** What the script was called with. */
  readonly args: LiArguments;
  /** Indices a * p + b trained on. */
  readonly train: readonly number[];
}

/** What both readers give. */
export interface ForeignCheckpoint {
  readonly format: "li" | "transformerlens";
  readonly config: TransformerConfig;
  readonly params: ReadonlyMap<string, Tensor>;
  readonly step?: number;
  readonly data?: DataDescription;
  readonly trainIndices?: Int32Array;
}

/** Li's short names and where the weights belong. */
const LI: Readonly<Record<string, string>> = {
  W_E: "embed.W_E",
  W_Q: "blocks.0.attn.W_Q",
  W_K: "blocks.0.attn.W_K",
  W_V: "blocks.0.attn.W_V",
  W_O: "blocks.0.attn.W_O",
  W_in: "blocks.0.mlp.W_in",
  W_out: "blocks.0.mlp.W_out",
  gain: "ln_final.w",
  W_U: "unembed.W_U",
};

/** Heads of Li's model: its files do not say. */
const LI_HEADS = 4;

/** True for a file with Li's names. */
export function isLi(tensors: ReadonlyMap<string, StoredTensor>): boolean {
  return Object.keys(LI).every((name) => tensors.has(name));
}

/** Reads Li's weights ([out, in], heads slow). @throws E_CHECKPOINT naming what is missing or of a wrong shape. */
export function readLi(tensors: ReadonlyMap<string, StoredTensor>, run: LiRun | undefined): ForeignCheckpoint {
  const { mode, p } = requireRun(run);
  const dModel = tensors.get("W_E")?.shape[1] ?? 0;
  const dMlp = tensors.get("W_in")?.shape[0] ?? 0;
  const config = liConfig({ p, mode, dModel, dMlp, nHeads: LI_HEADS, dHead: dModel / LI_HEADS });
  const params = new Map<string, Tensor>();
  for (const spec of transformerSpec(config).params) {
    const short = Object.keys(LI).find((name) => LI[name] === spec.name) as string;
    const stored = tensors.get(short) as StoredTensor;
    requireCheckpointShape(short, spec.shape, stored.shape);
    params.set(transformerLensName(config, spec.name), toTransformerLens(config, spec.name, toTensor(stored).data));
  }
  const trainIndices = Int32Array.from(run?.train ?? []);
  const data: DataDescription = { task: "modular-addition", p, split: "given", fraction: trainIndices.length / (p * p) };
  const epochs = Number(run?.args.epochs);
  return { format: "li", config, params, trainIndices, data, ...(Number.isSafeInteger(epochs) && epochs >= 0 ? { step: epochs } : {}) };
}

function requireRun(run: LiRun | undefined): { mode: Mode; p: number } {
  const { mode, p } = run?.args ?? {};
  if (typeof mode !== "string" || !(MODES as readonly string[]).includes(mode))
    throw bad("args.mode of the run's JSON", MODES.join(", "), String(mode));
  if (typeof p !== "number" || !Number.isInteger(p) || p < 3) throw bad("args.p of the run's JSON", "an integer of at least 3", String(p));
  if (!Array.isArray(run?.train) || !run.train.every((i) => Number.isInteger(i) && i >= 0 && i < p * p))
    throw bad("train of the run's JSON", `indices below ${p * p}`, typeof run?.train);
  return { mode: mode as Mode, p };
}

/** Reads a TransformerLens state dict. @throws E_CHECKPOINT when no config says what it is, or naming a tensor that is missing or of a wrong shape. */
export function readTransformerLens(tensors: ReadonlyMap<string, StoredTensor>, options: TransformerOptions | undefined): ForeignCheckpoint {
  if (!options)
    throw bad(
      "origin",
      "a tritlens checkpoint, Li's weights, or a state dict with the option config",
      [...tensors.keys()].slice(0, 3).join(", ") || "no tensors",
    );
  const config = transformerConfig(options);
  const params = new Map<string, Tensor>();
  for (const spec of transformerSpec(config).params) {
    const name = transformerLensName(config, spec.name);
    const stored = tensors.get(name);
    if (!stored) throw bad(`tensor "${name}"`, "a tensor", "nothing");
    requireCheckpointShape(name, toTransformerLens(config, spec.name, new Float32Array(spec.shape.reduce((a, b) => a * b, 1))).shape, stored.shape);
    params.set(name, toTensor(stored));
  }
  return { format: "transformerlens", config, params };
}

function requireCheckpointShape(name: string, expected: readonly number[], found: readonly number[]): void {
  if (expected.length !== found.length || expected.some((d, i) => d !== found[i]))
    throw bad(`shape of "${name}"`, `[${expected.join(", ")}]`, `[${found.join(", ")}]`);
}

function bad(field: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_CHECKPOINT", `the checkpoint does not fit: ${field}`, { expected, found });
}
