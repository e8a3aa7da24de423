/** safetensors files whose tensors stay where they are until they are read: single files, folders, split checkpoints. */
import { TritlensError } from "../core/errors.ts";
import type { StoredDType } from "./dtype.ts";
import { type FileSet, filesBeside, openFolder } from "./folder.ts";
import type { StoredTensor } from "./safetensors.ts";
import { headerLength, readHeader } from "./safetensors-header.ts";
import { parseShardIndex } from "./shards.ts";
import { openSource, type SourceInput } from "./source/open.ts";
import type { ByteSource, SourceOptions } from "./source/source.ts";
import { readText } from "./source/text.ts";

/** Where a tensor lies. Its elements are row-major and little-endian, and need not be aligned. */
export interface StoredTensorInfo {
  /** Any text. */
  readonly name: string;
  /** Element type. */
  readonly dtype: StoredDType;
  /** Extents, outermost first. */
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly source: ByteSource;
  /** Position of its first byte in the file. */
  readonly offset: number;
  /** Bytes of all elements. */
  readonly byteLength: number;
}

/** An open checkpoint. */
export interface Safetensors {
  /** Tensors by name; of several files, in the order of the files' names. */
  readonly tensors: ReadonlyMap<string, StoredTensorInfo>;
  /** Strings of `__metadata__`; of several files, those of the first that has the key. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Bytes of all files. */
  readonly size: number;
  /** Closes the files. Safe to call twice. */
  close(): Promise<void>;
}

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * Opens a checkpoint without reading any tensor. `input` is a file (path, URL, Blob, bytes), an index (`*.index.json`, by path or URL), a folder (path, or
 * URL with its slash at the end), or a list of files. In a folder `model.safetensors` comes first, then `model.safetensors.index.json`, then the only file
 * that ends in `.safetensors`. A list may hold the index; without one, all of its files count.
 *
 * @throws E_FORMAT for a malformed file (naming the tensor), missing shards, tensors that are missing or in two shards, links that leave the folder, and
 * other formats (saying which); E_IO; E_ABORTED.
 */
export async function openSafetensors(input: SourceInput | readonly SourceInput[], options: SourceOptions = {}): Promise<Safetensors> {
  const folder = await openFolder(input, options);
  if (folder) return openFolderOf(folder);
  const file = input as SourceInput;
  if ((typeof file === "string" || file instanceof URL) && /\.index\.json$/.test(pathPart(String(file)))) {
    const files = filesBeside(file, options);
    return openShards(files, await readText(await openSource(file, options)));
  }
  return single(await openSource(file, options), isOpen(file));
}

/** Path of a URL without its query; paths as they are. */
function pathPart(text: string): string {
  return /^https?:/i.test(text) ? new URL(text).pathname : text;
}

function isOpen(input: SourceInput): boolean {
  return typeof input === "object" && "read" in input;
}

/** One file. A source that the caller opened stays open when the file is refused. */
async function single(source: ByteSource, keep = false): Promise<Safetensors> {
  try {
    const { tensors, metadata } = await readFileHeader(source);
    return { tensors: new Map(tensors.map((t) => [t.name, t])), metadata, size: source.size, close: () => source.close() };
  } catch (error) {
    if (!keep) await source.close();
    throw error;
  }
}

async function openFolderOf(files: FileSet): Promise<Safetensors> {
  const index = files.names?.find((name) => name.endsWith(".safetensors.index.json")) ?? INDEX;
  const whole = await files.open(SINGLE);
  if (whole) return single(whole);
  const list = await files.open(index);
  if (list) return openShards(files, await readText(list));
  const found = files.names?.filter((name) => name.endsWith(".safetensors")) ?? [];
  // A list is what the caller chose, whatever its files are called; a folder may hold several models.
  const chosen = files.kind === "list" && found.length === 0 ? (files.names ?? []) : found;
  if (chosen.length === 1 || (chosen.length > 1 && files.kind === "list")) return openAll(files, chosen);
  throw new TritlensError("E_FORMAT", `no safetensors checkpoint in ${files.name}`, {
    expected: `${SINGLE}, or ${INDEX} with its shards`,
    found: describe(files.names, found),
  });
}

function describe(names: readonly string[] | undefined, found: readonly string[]): string {
  if (found.length > 1) return `${found.length} files and no index: ${found.slice(0, 4).join(", ")}`;
  const pickles = names?.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name)) ?? [];
  if (pickles.length > 0) return `${pickles.slice(0, 4).join(", ")} (pickles, which can run code: convert them to safetensors with Python)`;
  const gguf = names?.filter((name) => name.endsWith(".gguf")) ?? [];
  return gguf.length > 0 ? `${gguf.slice(0, 4).join(", ")} (open the GGUF file itself)` : "none of them";
}

async function openShards(files: FileSet, index: string): Promise<Safetensors> {
  const map = parseShardIndex(index);
  const shards = [...new Set(map.values())].sort();
  const opened = await openAll(files, shards);
  try {
    for (const [name, shard] of map) {
      const found = opened.tensors.get(name)?.source;
      if (!found) throw new TritlensError("E_FORMAT", `tensor "${name}" of the index`, { expected: `a tensor in ${shard}`, found: "nothing" });
      if (opened.home.get(name) !== shard)
        throw new TritlensError("E_FORMAT", `tensor "${name}" of the index`, { expected: `it in ${shard}`, found: `it in ${opened.home.get(name)}` });
    }
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Several files as one; `home` says which file holds a tensor. */
async function openAll(files: FileSet, names: readonly string[]): Promise<Safetensors & { home: Map<string, string> }> {
  const sources: ByteSource[] = [];
  const close = async (): Promise<void> => {
    for (const source of sources) await source.close();
  };
  try {
    const missing: string[] = [];
    for (const name of names) {
      const source = await files.open(name);
      if (source) sources.push(source);
      else missing.push(name);
    }
    if (missing.length > 0)
      throw new TritlensError("E_FORMAT", `shards are missing in ${files.name}`, {
        expected: `${names.length} files`,
        found: `no ${missing.join(", no ")}`,
      });
    return { ...(await merge(names, sources)), size: sources.reduce((n, s) => n + s.size, 0), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function merge(names: readonly string[], sources: readonly ByteSource[]) {
  const tensors = new Map<string, StoredTensorInfo>();
  const metadata = new Map<string, string>();
  const home = new Map<string, string>();
  for (const [i, source] of sources.entries()) {
    const file = await readFileHeader(source);
    for (const tensor of file.tensors) {
      const other = home.get(tensor.name);
      if (other !== undefined)
        throw new TritlensError("E_FORMAT", `tensor "${tensor.name}" is in two files`, { expected: "one", found: `${other} and ${names[i]}` });
      tensors.set(tensor.name, tensor);
      home.set(tensor.name, names[i] as string);
    }
    for (const [key, value] of file.metadata) if (!metadata.has(key)) metadata.set(key, value);
  }
  return { tensors, metadata, home };
}

async function readFileHeader(source: ByteSource): Promise<{ tensors: StoredTensorInfo[]; metadata: Map<string, string> }> {
  const head = new Uint8Array(Math.min(64, source.size));
  await source.read(0, head);
  const length = headerLength(head, source.size);
  const header = new Uint8Array(length);
  await source.read(8, header);
  const start = 8 + length;
  const { entries, metadata } = readHeader(header, source.size - start);
  const tensors = entries.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    source,
    offset: start + begin,
    byteLength: end - begin,
  }));
  return { tensors, metadata };
}

/** All bytes of a tensor, in memory of their own. @throws as {@link ByteSource.read}; E_MEMORY when they do not fit. */
export async function readTensorBytes(tensor: {
  readonly source: ByteSource;
  readonly offset: number;
  readonly byteLength: number;
}): Promise<Uint8Array> {
  const bytes = allocate(tensor.byteLength, tensor.source.name);
  await tensor.source.read(tensor.offset, bytes);
  return bytes;
}

/** @throws E_MEMORY. */
function allocate(size: number, name: string): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch {
    throw new TritlensError("E_MEMORY", `a tensor of ${name}`, {
      expected: "one that fits into memory (or read it in parts)",
      found: `${size} bytes`,
    });
  }
}

/**
 * All tensors of a split checkpoint, in memory.
 *
 * @param path - Path of the index file (`*.index.json`); shards lie beside it.
 * @throws as {@link openSafetensors}.
 */
export async function readShards(path: string): Promise<Map<string, StoredTensor>> {
  const file = await openSafetensors(path);
  try {
    const out = new Map<string, StoredTensor>();
    for (const [name, tensor] of file.tensors) out.set(name, { dtype: tensor.dtype, shape: tensor.shape, bytes: await readTensorBytes(tensor) });
    return out;
  } finally {
    await file.close();
  }
}
