/**
 * Checkpoints: one safetensors file with the parameters under TransformerLens's names and in its shapes, both moments of the optimiser (`optimizer.*`),
 * and in its metadata the step, the configuration, the optimiser's settings and the data's description; sealed with a checksum over every byte.
 */
import { TritlensError } from "../core/errors.ts";
// Not from io's index: bundlers that split by file would fetch all of io for a page that only trains.
import { checksumPlaceholder, sealChecksum, verifyChecksum } from "../io/checksum.ts";
import { decodeInts } from "../io/dtype.ts";
import { parseSafetensors, type StoredTensor, serializeSafetensors, toTensor } from "../io/safetensors.ts";
import { type TransformerConfig, type TransformerOptions, transformerConfig } from "../models/index.ts";
import { Tensor, type TensorData } from "../tensor/index.ts";
import type { DataDescription } from "./data.ts";
import { isLi, type LiRun, readLi, readTransformerLens } from "./foreign.ts";
import type { OptimizerConfig } from "./options.ts";

/** Version of the format; a file of another version is refused. */
const VERSION = "1";
/** Names that are not parameters. */
const RESERVED = /^(optimizer|data|extra)\./;
const FORMAT_KEY = "tritlens.checkpoint";

/** What a run had not reported yet, so that a resumed one reports the same intervals and ends at the same step. */
export interface PendingSteps {
  /** Number of steps before the first row. */
  readonly firstStep: number;
  /** Step from which test accuracy has held (option `until`). */
  readonly heldSince?: number;
  /** Row-major [step, column]. */
  readonly rows: Float64Array;
}

/** What is needed to continue a training run bit for bit. */
export interface TrainingState {
  /** First and second moments, flat, in the core's order of parameters. */
  readonly m: Float32Array;
  /** Second moments, flat. */
  readonly v: Float32Array;
  /** Settings of the optimiser. */
  readonly optimizer: OptimizerConfig;
  /** What was not reported yet. */
  readonly pending: PendingSteps;
}

/** A checkpoint in memory. */
export interface Checkpoint {
  /** Where it came from: this library, Li's reference script, or a TransformerLens state dict. */
  readonly format: "tritlens" | "li" | "transformerlens";
  /** Architecture. */
  readonly config: TransformerConfig;
  /** Optimiser steps taken. */
  readonly step: number;
  /** Latent parameters by TransformerLens's names, in its shapes. */
  readonly params: ReadonlyMap<string, Tensor>;
  /** Optimiser state; absent in files of other programs. */
  readonly training?: TrainingState;
  /** What was trained on, where known. */
  readonly data?: DataDescription;
  /** Indices trained on, where known. */
  readonly trainIndices?: Int32Array;
  /** Strings and tensors of the caller's own. */
  readonly extra: ReadonlyMap<string, string>;
  /** Tensors of the caller's own. */
  readonly extraTensors: ReadonlyMap<string, Tensor>;
}

/** A checkpoint's bytes. */
export async function serializeCheckpoint(c: Omit<Checkpoint, "format">): Promise<Uint8Array> {
  const metadata = new Map<string, string>([
    checksumPlaceholder(),
    [FORMAT_KEY, VERSION],
    ["step", String(c.step)],
    ["config", JSON.stringify(c.config)],
    ...(c.training ? [["optimizer", JSON.stringify(c.training.optimizer)] as const, ["pending", pendingText(c.training.pending)] as const] : []),
    ...(c.data ? [["data", JSON.stringify(c.data)] as const] : []),
    ...[...c.extra].map(([k, v]) => [`extra.${k}`, v] as const),
  ]);
  return sealChecksum(serializeSafetensors(tensorsOf(c), metadata));
}

function pendingText({ firstStep, heldSince }: PendingSteps): string {
  return JSON.stringify({ firstStep, ...(heldSince === undefined ? {} : { heldSince }) });
}

function* tensorsOf(c: Omit<Checkpoint, "format">): Generator<readonly [string, Tensor<TensorData>]> {
  for (const [name, tensor] of c.params) yield [name, tensor];
  if (c.training) {
    const { m, v, pending } = c.training;
    yield ["optimizer.m", Tensor.from(m, [m.length])];
    yield ["optimizer.v", Tensor.from(v, [v.length])];
    yield ["optimizer.pending", Tensor.from(pending.rows, [pending.rows.length])];
  }
  if (c.trainIndices) yield ["data.train", Tensor.from(c.trainIndices, [c.trainIndices.length])];
  for (const [name, tensor] of c.extraTensors) yield [`extra.${name}`, tensor];
}

/** What a file of another origin cannot say itself. */
export interface ForeignOptions {
  /** The architecture of a TransformerLens state dict. */
  readonly config?: TransformerOptions;
  /** The run's JSON beside a checkpoint of Li's reference script. */
  readonly run?: LiRun;
}

/**
 * Reads a checkpoint: this library's (checksum verified), one of Li's reference script (weights `W_E`, `W_Q`, ... stored [out, in], with its run JSON),
 * or a TransformerLens state dict (with a config).
 *
 * @throws E_FORMAT for a file that is no valid safetensors file, E_CHECKPOINT naming the field for a damaged, incomplete or foreign one.
 */
export async function parseCheckpoint(bytes: Uint8Array, options: ForeignOptions = {}): Promise<Checkpoint> {
  const { tensors, metadata } = parseSafetensors(bytes);
  if (metadata.has(FORMAT_KEY)) {
    await verifyChecksum(bytes);
    return readOwn(tensors, metadata);
  }
  const foreign = isLi(tensors) ? readLi(tensors, options.run) : readTransformerLens(tensors, options.config);
  return { step: 0, extra: new Map(), extraTensors: new Map(), ...foreign };
}

function readOwn(tensors: ReadonlyMap<string, StoredTensor>, metadata: ReadonlyMap<string, string>): Checkpoint {
  const version = metadata.get(FORMAT_KEY);
  if (version !== VERSION) throw wrong("format version", VERSION, String(version));
  const step = Number(metadata.get("step"));
  if (!Number.isSafeInteger(step) || step < 0) throw wrong("step", "a whole number", String(metadata.get("step")));
  const training = readTraining(tensors, metadata);
  const data = metadata.get("data");
  const indices = tensors.get("data.train");
  return {
    format: "tritlens",
    config: transformerConfig(json(metadata, "config") as TransformerConfig),
    step,
    params: new Map([...tensors].flatMap(([name, t]) => (RESERVED.test(name) ? [] : [[name, toTensor(t)] as const]))),
    ...(training ? { training } : {}),
    ...(data === undefined ? {} : { data: json(metadata, "data") as DataDescription }),
    ...(indices ? { trainIndices: decodeInts(indices.dtype, indices.bytes) } : {}),
    extra: new Map([...metadata].flatMap(([k, v]) => (k.startsWith("extra.") ? [[k.slice(6), v] as const] : []))),
    extraTensors: floats(tensors, "extra."),
  };
}

function readTraining(tensors: ReadonlyMap<string, StoredTensor>, metadata: ReadonlyMap<string, string>): TrainingState | undefined {
  const [m, v, pending] = [tensors.get("optimizer.m"), tensors.get("optimizer.v"), tensors.get("optimizer.pending")];
  if (!m || !v || !pending || !metadata.has("optimizer")) return undefined;
  const rows = new Float64Array(new Uint8Array(pending.bytes).buffer);
  return {
    m: toTensor(m).data,
    v: toTensor(v).data,
    optimizer: json(metadata, "optimizer") as OptimizerConfig,
    pending: { ...(json(metadata, "pending") as Omit<PendingSteps, "rows">), rows },
  };
}

function floats(tensors: ReadonlyMap<string, StoredTensor>, prefix: string): Map<string, Tensor> {
  return new Map([...tensors].flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), toTensor(t)] as const] : [])));
}

function json(metadata: ReadonlyMap<string, string>, key: string): unknown {
  try {
    return JSON.parse(metadata.get(key) ?? "");
  } catch (cause) {
    throw new TritlensError("E_CHECKPOINT", `the checkpoint's ${key} cannot be read`, {
      expected: "JSON",
      found: String(metadata.get(key)).slice(0, 40),
      cause,
    });
  }
}

/** The error for a field of a checkpoint that is not as it should be. */
export function wrong(field: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_CHECKPOINT", `the checkpoint does not fit: ${field}`, { expected, found });
}

/**
 * Refuses a checkpoint of another architecture or data set.
 *
 * @throws E_CHECKPOINT naming the first field that differs.
 */
export function requireSame(what: string, expected: object, found: object): void {
  const keys = new Set([...Object.keys(expected), ...Object.keys(found)]);
  for (const key of keys) {
    const [x, y] = [(expected as Record<string, unknown>)[key], (found as Record<string, unknown>)[key]];
    if (!same(x, y)) throw wrong(`${what}.${key}`, String(x), String(y));
  }
}

/** Lists (rotaryFreqs, plainMatrices) are equal when their entries are. */
function same(x: unknown, y: unknown): boolean {
  return x === y || (Array.isArray(x) && Array.isArray(y) && x.length === y.length && x.every((v, i) => v === y[i]));
}
