/** What a model that was loaded from a checkpoint tells about it. */

/** One parameter of a checkpoint. */
export interface CheckpointWeight {
  /** The model's parameter. */
  readonly param: string;
  /** The file's tensor. */
  readonly tensor: string;
  /** Element type in the file, as its format names it. */
  readonly type: string;
  /** Format in memory: `f32`, `bf16`, `q6_k`, `ternary2`, ... */
  readonly format: string;
  /** [out, in] of a matrix, [n] of a vector. */
  readonly shape: readonly number[];
  /** Bytes in memory. */
  readonly bytes: number;
}

/** Where a model came from and how its weights are kept. */
export interface CheckpointInfo {
  /** `gpt2`, `gpt_neox`, `llama`, `qwen2`, `qwen3` or `bitnet`. */
  readonly architecture: string;
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
