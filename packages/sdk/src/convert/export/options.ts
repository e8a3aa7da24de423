/** What `saveModel` takes and gives. */
import type { Architecture } from "../../checkpoint/recipe.ts";
import type { LoadProgress, WriteTarget } from "../../io/index.ts";

/** Formats that models are written in. */
export const SAVE_FORMATS = ["safetensors", "hf-bitnet", "gguf"] as const;
/** One of {@link SAVE_FORMATS}. */
export type SaveFormat = (typeof SAVE_FORMATS)[number];

/** Types of the blocks' matrices in a GGUF. */
export const GGUF_TYPES = ["tq1_0", "tq2_0", "q1_0", "q2_0", "q8_0", "q4_0", "f32", "f16", "bf16"] as const;
/** One of {@link GGUF_TYPES}. */
export type GgufMatrixType = (typeof GGUF_TYPES)[number];

/** Element types of dense tensors. */
export const DTYPES = ["f32", "f16", "bf16"] as const;

/**
 * Where a model goes: a path (of a folder for `safetensors` and `hf-bitnet`, of a file for `gguf`), or a function that gives a target for each file by its name
 * (`model.safetensors`, `config.json`, `model.gguf`), such as `memorySink()`.
 */
export type SaveTarget = string | ((file: string) => WriteTarget);

/** How a model is written. */
export interface SaveOptions {
  /**
   * - `safetensors`: a folder as transformers has it, config.json and dense weights; packed matrices are written out as floats. Master weights of a model that is trained with
   *   the b1.58 quantiser and int8 activations stay master weights (`quantization_mode: online`).
   * - `hf-bitnet`: the same with ternary matrices packed four to a byte (`quantization_mode: offline`); needs int8 activations and one scale a matrix.
   * - `gguf`: one file, for llama.cpp and its kin.
   */
  readonly format: SaveFormat;
  /** The architecture to write as; found from the configuration when left out. */
  readonly architecture?: Architecture;
  /** Type of dense matrices; as the model keeps each of them when left out. Norms and biases are always f32. */
  readonly dtype?: (typeof DTYPES)[number];
  /** Type of the blocks' matrices in a GGUF; when left out, `tq2_0` for ternary ones, `q1_0` for binary ones, `dtype` for dense ones. */
  readonly ggufType?: GgufMatrixType;
  /** Allows what is not read back as it was: scales rounded to 16 bits, dense weights pressed into ternary blocks. Default false: such a model is refused. */
  readonly lossy?: boolean;
  /**
   * Path or URL of the checkpoint whose tokenizer goes with the model; the one it was loaded from when left out, none with null. Kept as it is: files from a folder to a
   * folder, entries from a GGUF to a GGUF; byte-level BPE from a folder to a GGUF.
   */
  readonly tokenizerFrom?: string | null;
  /** `general.name` in a GGUF; default `model`. */
  readonly name?: string;
  /** Progress in bytes. */
  readonly onProgress?: (event: LoadProgress) => void;
  /** Stops between tensors; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** A tensor in a file. */
export interface SavedTensor {
  /** Its name there. */
  readonly name: string;
  /** Element type, as the file's format names it. */
  readonly type: string;
  /** Extents, outermost first. */
  readonly shape: readonly number[];
}

/** What was written. */
export interface Saved {
  /** The architecture it was written as. */
  readonly architecture: Architecture;
  /** Names of the files. */
  readonly files: readonly string[];
  /** Bytes of the tensors' file. */
  readonly bytes: number;
  /** Every tensor in order. */
  readonly tensors: readonly SavedTensor[];
  /** What a reader should know: tensors that were kept in another type than asked for, a tokenizer that was left out. */
  readonly notes: readonly string[];
}
