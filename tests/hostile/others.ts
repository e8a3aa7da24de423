/** Files of other kinds, and what the refusal has to tell about them. */
import { gguf } from "./gguf.ts";
import { concat, utf8 } from "./row.ts";
import { file } from "./safetensors.ts";

export interface Other {
  readonly id: string;
  readonly bytes: Uint8Array;
  /** What the message names. */
  readonly says: RegExp;
}

const body = new Uint8Array(200).fill(7);
const of = (id: string, says: RegExp, ...head: (number | string)[]): Other => ({
  id,
  says,
  bytes: concat(...head.map((part) => (typeof part === "string" ? utf8(part) : Uint8Array.of(part))), body),
});

/** Refused as either format. */
export const OTHERS: readonly Other[] = [
  of("zip", /zip archive.*(?:safetensors|weights_only)|weights_only.*zip archive/, "PK", 3, 4),
  of("pickle_2", /pickle/, 0x80, 2, "}q"),
  of("pickle_3", /pickle/, 0x80, 3),
  of("pickle_4", /pickle/, 0x80, 4, 0x95),
  of("pickle_5", /pickle/, 0x80, 5, 0x95),
  of("gzip", /gzip/, 0x1f, 0x8b, 8),
  of("bzip2", /bzip2/, "BZh9"),
  of("xz", /xz file/, 0xfd, "7zXZ", 0),
  of("zstd", /Zstandard/, 0x28, 0xb5, 0x2f, 0xfd),
  of("hdf5", /HDF5/, 0x89, "HDF\r\n", 0x1a, "\n"),
  of("npy", /NumPy/, 0x93, "NUMPY", 1, 0),
  of("onnx", /ONNX/, 0x08, 8, 0x12, 7, "pytorch"),
  of("tflite", /TensorFlow Lite/, 0x1c, 0, 0, 0, "TFL3"),
  of("ggml", /before GGUF/, "lmgg"),
  of("ggmf", /before GGUF/, "fmgg"),
  of("ggjt", /before GGUF/, "tjgg"),
  of("git_lfs", /git lfs pull/, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
  of("html", /web page/, "<!DOCTYPE html><html><head><title>404</title>"),
  of("html_lower", /web page/, "\n  <html lang=en>"),
  of("json", /JSON/, '{\n  "architectures": ["LlamaForCausalLM"]'),
];

/** Each format opened as the other. */
export const SWAPPED: readonly (Other & { readonly openAs: "safetensors" | "gguf" })[] = [
  { id: "gguf_as_safetensors", openAs: "safetensors", bytes: gguf(), says: /open it as GGUF/ },
  {
    id: "safetensors_as_gguf",
    openAs: "gguf",
    bytes: file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    says: /open it as safetensors/,
  },
];
