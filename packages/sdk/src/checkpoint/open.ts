/** Finds the files of a checkpoint and reads their headers: a folder of transformers, one safetensors file with config.json beside it, or a GGUF file. */
import { TritlensError } from "../core/errors.ts";
import {
  type ByteSource,
  detectFormat,
  type FileSet,
  filesBeside,
  type Gguf,
  openFolder,
  openGguf,
  openSafetensors,
  openSource,
  requireWholeAndPlain,
  type SourceInput,
  type SourceOptions,
} from "../io/index.ts";
import { Fields, parseFields } from "./fields.ts";
import type { CheckpointFiles, FileTensor } from "./files.ts";
import { floatsOf } from "./floats.ts";
import { ggufRecipe } from "./gguf/index.ts";
import { hfRecipe, type RecipeOptions } from "./hf/index.ts";
import type { Recipe } from "./recipe.ts";

/** Where a checkpoint is: a path, a URL, a Blob or bytes of one file, or a list of files. */
export type CheckpointInput = SourceInput | readonly SourceInput[];

/** An open checkpoint with its recipe. */
export interface OpenCheckpoint extends CheckpointFiles {
  readonly recipe: Recipe;
  /** The open GGUF file, whose metadata may hold a tokenizer. */
  readonly gguf?: Gguf;
  /** The files around config.json, among which the tokenizer's may be. */
  readonly files?: FileSet;
}

const CONFIG = "config.json";

/**
 * Opens a checkpoint: headers and configuration only. Close it afterwards.
 *
 * @throws E_FORMAT for malformed files and other formats, E_SPEC for a configuration that is not supported (naming the key that decided), E_IO, E_ABORTED.
 */
export async function openCheckpoint(input: CheckpointInput, recipe: RecipeOptions, options: SourceOptions): Promise<OpenCheckpoint> {
  const named = namesConfig(input) ? String(input).slice(0, -CONFIG.length) || "." : input;
  const folder = await openFolder(named, options);
  if (folder) return openFiles(folder, named, recipe, options);
  const source = await openSource(named as SourceInput, options);
  const format = await closing(source, () => detectFormat(source));
  if (format === "gguf") return openGgufFile(source, recipe);
  await source.close();
  if (typeof named !== "string" && !(named instanceof URL)) {
    throw new TritlensError("E_SPEC", "a safetensors file does not say which model it holds", {
      expected: `a list of files with ${CONFIG}, or its folder`,
      found: "the weights alone",
    });
  }
  return openTransformers(filesBeside(named, options), named, recipe, options);
}

function namesConfig(input: CheckpointInput): input is string | URL {
  return (typeof input === "string" || input instanceof URL) && /(^|[/\\])config\.json$/.test(String(input));
}

async function openFiles(folder: FileSet, input: CheckpointInput, recipe: RecipeOptions, options: SourceOptions): Promise<OpenCheckpoint> {
  const ggufs = folder.names?.filter((name) => name.endsWith(".gguf")) ?? [];
  if (folder.names?.includes(CONFIG) === false && ggufs.length === 1) {
    const source = (await folder.open(ggufs[0] as string)) as ByteSource;
    return openGgufFile(source, recipe);
  }
  return openTransformers(folder, input, recipe, options);
}

async function openTransformers(files: FileSet, input: CheckpointInput, recipe: RecipeOptions, options: SourceOptions): Promise<OpenCheckpoint> {
  const config = await files.open(CONFIG);
  if (!config)
    throw new TritlensError("E_SPEC", `there is no ${CONFIG} in ${files.name}`, {
      expected: `${CONFIG} of transformers beside the weights`,
      found: "nothing",
    });
  const fields = await readFields(config);
  const opened = await openSafetensors(weightFiles(files, input), options);
  const tensors = new Map<string, FileTensor>([...opened.tensors].map(([name, { dtype, ...t }]) => [name, { ...t, type: dtype }]));
  try {
    return { kind: "safetensors", name: files.name, tensors, recipe: hfRecipe(fields, tensors, recipe), files, close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Of a list, what is no text: config.json and the tokenizer's files are in it as well. */
function weightFiles(files: FileSet, input: CheckpointInput): CheckpointInput {
  if (files.kind !== "list") return input;
  const list = input as readonly SourceInput[];
  return list.filter((item) => !/(?<!\.index)\.(json|txt|jinja|model)$/.test(nameOf(item)));
}

function nameOf(input: SourceInput): string {
  if (typeof input === "string" || input instanceof URL) return String(input);
  return "name" in input && typeof input.name === "string" ? input.name : "";
}

async function readFields(source: ByteSource): Promise<Fields> {
  return closing(source, async () => {
    // A config.json of a gigabyte is none; the first bytes beyond the bound are enough to refuse it.
    const bytes = new Uint8Array(Math.min(source.size, (1 << 20) + 1));
    await source.read(0, bytes);
    await source.close();
    return parseFields(bytes, CONFIG);
  });
}

async function openGgufFile(source: ByteSource, options: RecipeOptions): Promise<OpenCheckpoint> {
  return closing(source, async () => {
    const gguf = await openGguf(source);
    requireWholeAndPlain(gguf);
    const fields = new Fields(new Map([...gguf.metadata].map(([key, { value }]) => [key, value])), "GGUF metadata");
    const recipe = await ggufRecipe(fields, gguf.tensors, (name) => readVector(gguf, name), options);
    return { kind: "gguf", name: source.name, tensors: gguf.tensors, recipe, gguf, close: () => gguf.close() };
  });
}

async function readVector(gguf: Gguf, name: string): Promise<Float32Array> {
  const tensor = gguf.tensors.get(name) as FileTensor;
  if (tensor.type !== "F32") throw new TritlensError("E_FORMAT", `tensor "${name}"`, { expected: "F32", found: tensor.type });
  const bytes = new Uint8Array(tensor.byteLength);
  await tensor.source.read(tensor.offset, bytes);
  return floatsOf("F32", bytes);
}

/** Closes a source when what is done with it fails. */
async function closing<T>(source: ByteSource, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    await source.close();
    throw error;
  }
}
