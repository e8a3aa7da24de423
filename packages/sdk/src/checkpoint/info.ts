/** What a loaded model tells about where it came from. */
import type { Fill } from "./fills.ts";
import type { OpenCheckpoint } from "./open.ts";
import type { Architecture } from "./recipe.ts";

/** One parameter of a checkpoint. */
export interface CheckpointWeight {
  /** The model's parameter. */
  readonly param: string;
  /** The file's tensor. */
  readonly tensor: string;
  /** Element type in the file, as its format names it. */
  readonly type: string;
  /** Format in memory: `f32`, `bf16`, `tq2_0`, `hf`, `ternary2`, ... */
  readonly format: string;
  /** [out, in] of a matrix, [n] of a vector. */
  readonly shape: readonly number[];
  /** Bytes in memory. */
  readonly bytes: number;
}

/** Where a model came from and how its weights are kept. */
export interface CheckpointInfo {
  /** `gpt2`, `gpt_neox`, `llama`, `qwen2`, `qwen3` or `bitnet`. */
  readonly architecture: Architecture;
  /** Path, URL or name of the file or folder. */
  readonly source: string;
  /** Format of the file. */
  readonly kind: "safetensors" | "gguf";
  /** Every parameter, in the model's order. */
  readonly weights: readonly CheckpointWeight[];
  /** Bytes of all weights in memory. */
  readonly bytes: number;
  /** 8 bytes / number of weights, over all parameters. */
  readonly bitsPerWeight: number;
}

/** Bytes that a filled parameter takes. */
export type BytesOf = (fill: Fill) => number;

/** Describes a checkpoint from its headers. */
export function describeCheckpoint(checkpoint: OpenCheckpoint, fills: readonly Fill[], bytesOf: BytesOf): CheckpointInfo {
  const weights = [...fills]
    .sort((a, b) => a.index - b.index)
    .map((fill) => ({
      param: fill.param.name,
      tensor: fill.tensor.name,
      type: fill.tensor.type,
      format: fill.format,
      shape: fill.param.shape,
      bytes: bytesOf(fill),
    }));
  const bytes = weights.reduce((n, w) => n + w.bytes, 0);
  const count = weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0);
  const { recipe, name, kind } = checkpoint;
  return { architecture: recipe.architecture, source: name, kind, weights, bytes, bitsPerWeight: (8 * bytes) / count };
}
