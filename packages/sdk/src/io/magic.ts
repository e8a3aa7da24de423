/** What a file is when it is not what was asked for, by its first bytes, and what to do about it. */
import { TritlensError } from "../core/errors.ts";
import type { ByteSource } from "./source/source.ts";

interface Kind {
  readonly what: string;
  readonly advice: string;
  readonly matches: (head: Uint8Array, text: string) => boolean;
}

const PICKLE =
  "convert it with Python: torch.load(path, weights_only=True), then safetensors.torch.save_file (a pickle can run code, so it is never read here)";
const UNPACK = "unpack it first";

const starts =
  (...bytes: number[]) =>
  (head: Uint8Array): boolean =>
    bytes.every((b, i) => head[i] === b);
const begins =
  (...words: string[]) =>
  (_: Uint8Array, text: string): boolean =>
    words.some((word) => text.startsWith(word));

/** An ONNX file is a protobuf without a magic: field 1 (ir_version, small), then one of the next string or message fields. */
function looksLikeOnnx(head: Uint8Array): boolean {
  const [tag, version, next] = head;
  return tag === 0x08 && version !== undefined && version > 0 && version < 32 && [0x12, 0x1a, 0x22, 0x32, 0x3a, 0x42].includes(next ?? 0);
}

/** A length field, then a JSON object: a safetensors file. */
function looksLikeSafetensors(head: Uint8Array): boolean {
  return head[8] === 0x7b && head[5] === 0 && head[6] === 0 && head[7] === 0;
}

const KINDS: readonly Kind[] = [
  { what: "a GGUF file", advice: "open it as GGUF", matches: begins("GGUF") },
  {
    what: "a GGML file of before GGUF",
    advice: "convert it to GGUF with llama.cpp",
    matches: begins("lmgg", "fmgg", "tjgg", "algg", "ggml", "ggmf", "ggjt", "ggla", "GGML"),
  },
  { what: "a Git LFS pointer, not the file itself", advice: "fetch the file with `git lfs pull`", matches: begins("version https://git-lfs") },
  {
    what: "a web page, not a model",
    advice: "look at the address: a download link is needed, and some models have to be asked for first",
    matches: (_, text) => /^\s*<(!doctype|html|head|\?xml|body)/i.test(text),
  },
  { what: "a zip archive (PyTorch .bin or .pt, NumPy .npz)", advice: PICKLE, matches: starts(0x50, 0x4b, 0x03, 0x04) },
  { what: "a pickle (PyTorch before 1.6)", advice: PICKLE, matches: (head) => head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 9) <= 5 },
  { what: "an HDF5 file (Keras)", advice: "convert it to safetensors with Python", matches: starts(0x89, 0x48, 0x44, 0x46) },
  { what: "a NumPy array", advice: "convert it to safetensors with Python", matches: starts(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59) },
  { what: "a gzip file", advice: UNPACK, matches: starts(0x1f, 0x8b) },
  { what: "a bzip2 file", advice: UNPACK, matches: begins("BZh") },
  { what: "an xz file", advice: UNPACK, matches: starts(0xfd, 0x37, 0x7a, 0x58, 0x5a) },
  { what: "a Zstandard file", advice: UNPACK, matches: starts(0x28, 0xb5, 0x2f, 0xfd) },
  {
    what: "a TensorFlow Lite file",
    advice: "use the model it was made from, as safetensors or GGUF",
    matches: (_, text) => text.startsWith("TFL3", 4),
  },
  { what: "a safetensors file", advice: "open it as safetensors", matches: looksLikeSafetensors },
  { what: "an ONNX file", advice: "use the model it was exported from, as safetensors or GGUF", matches: looksLikeOnnx },
  { what: "a JSON file", advice: "open the folder it lies in, or the weights beside it", matches: (_, text) => /^\s*\{\s*"/.test(text) },
];

/**
 * Throws E_FORMAT that says what the file is and what to do, when its first bytes tell; returns otherwise.
 *
 * @param head - The first bytes, 64 or more where there are as many.
 */
export function refuseOther(head: Uint8Array, wanted: "safetensors" | "GGUF"): void {
  const text = textOf(head);
  const kind = KINDS.find(({ what, matches }) => !what.includes(` ${wanted} `) && matches(head, text));
  if (kind) throw new TritlensError("E_FORMAT", `no ${wanted} file: ${kind.advice}`, { expected: `a ${wanted} file`, found: kind.what });
}

/** Which of the two formats an open file has. @throws E_FORMAT for anything else, with what it is where that can be seen; E_IO; E_ABORTED. */
export async function detectFormat(source: ByteSource): Promise<"safetensors" | "gguf"> {
  const head = new Uint8Array(Math.min(64, source.size));
  await source.read(0, head);
  if (begins("GGUF")(head, textOf(head))) return "gguf";
  if (looksLikeSafetensors(head)) return "safetensors";
  refuseOther(head, "safetensors");
  throw new TritlensError("E_FORMAT", `${source.name} is an unknown kind of file`, {
    expected: "a safetensors or GGUF file",
    found: firstBytes(head),
  });
}

function textOf(head: Uint8Array): string {
  return String.fromCharCode(...head.subarray(0, 64));
}

/** The first bytes as text for messages. */
export function firstBytes(head: Uint8Array): string {
  if (head.byteLength === 0) return "an empty file";
  return `bytes ${Array.from(head.subarray(0, 8), (b) => b.toString(16).padStart(2, "0")).join(" ")}`;
}
