/** Caches as files: one safetensors file, or a folder of `.npy` files with an index. */
import { platform } from "#platform";
import { TritlensError, unknownName } from "../../core/errors.ts";
import { openFolder } from "../../io/folder.ts";
import {
  type ByteSource,
  readTensorBytes,
  type Safetensors,
  type SourceInput,
  type SourceOptions,
  type StoredTensor,
  toTensor,
  type WriteTarget,
} from "../../io/index.ts";
import { npyHeader, parseNpy } from "../../io/npy.ts";
import { openSafetensors } from "../../io/safetensors-reader.ts";
import { writeSafetensors } from "../../io/safetensors-writer.ts";
import { writePieces } from "../../io/sink.ts";

import { readText } from "../../io/source/text.ts";
import type { Tensor } from "../../tensor/index.ts";

/** How a cache is written. */
export interface CacheSaveOptions {
  /** One safetensors file (default), or a folder with a `.npy` file an activation and `cache.json`. */
  readonly format?: "safetensors" | "npy";
  /** Stops with E_ABORTED. */
  readonly signal?: AbortSignal;
}

/** A path (of a file, or of a folder for `npy`), or what gives a target for each file. */
export type CacheTarget = string | ((file: string) => WriteTarget);

/** What NumPy cannot say: order, and names of axes. Lists, because names come from files. */
type Index = readonly (readonly [name: string, axes: readonly string[]])[];

const KEY = "tritlens_cache";
const INDEX = "cache.json";
const VERSION = 1;
const FORMATS = ["safetensors", "npy"] as const;

/** As {@link ActivationCache.save}. */
export async function saveCache(tensors: ReadonlyMap<string, Tensor>, target: CacheTarget, options: CacheSaveOptions = {}): Promise<void> {
  const { format = "safetensors", signal } = options;
  if (!FORMATS.includes(format)) throw unknownName("format of a cache", String(format), FORMATS);
  const index = JSON.stringify({ version: VERSION, tensors: [...tensors].map(([name, t]) => [name, t.axes]) });
  if (format === "npy") return saveFolder(tensors, target, index, signal);
  const items = [...tensors].map(([name, t]) => ({ name, dtype: "F32" as const, shape: t.shape, data: () => bytesOf(t) }));
  const metadata = new Map([[KEY, index]]);
  await writeSafetensors(typeof target === "string" ? target : target("cache.safetensors"), { tensors: items, metadata }, { signal });
}

async function saveFolder(tensors: ReadonlyMap<string, Tensor>, target: CacheTarget, index: string, signal: AbortSignal | undefined): Promise<void> {
  const undo = typeof target === "string" ? await platform.makeFolder(target) : async () => undefined;
  const at = (file: string): WriteTarget => (typeof target === "string" ? `${target}/${file}` : target(file));
  const write = (file: string, ...parts: Uint8Array[]): Promise<number> =>
    writePieces(
      at(file),
      parts.map((data) => ({ what: file, byteLength: data.byteLength, padding: 0, data: () => data })),
      { signal },
    );
  try {
    for (const [name, tensor] of tensors) await write(fileOf(name), npyHeader(tensor.shape), bytesOf(tensor));
    // Last: a folder with an index is whole.
    await write(INDEX, new TextEncoder().encode(`${index}\n`));
  } catch (error) {
    await undo();
    throw error;
  }
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws E_NAME for a name that cannot be one of a file. */
function fileOf(name: string): string {
  if (/^[\w.-]+$/.test(name)) return `${name}.npy`;
  throw new TritlensError("E_NAME", "a cache is saved by the names of its activations", { expected: "letters, digits, ., _ and -", found: name });
}

/** As {@link ActivationCache.load}. */
export async function loadCache(input: SourceInput | readonly SourceInput[], options: SourceOptions = {}): Promise<Map<string, Tensor>> {
  const files = await openFolder(input, options);
  const listed = await files?.open(INDEX);
  if (files && listed) {
    const out = new Map<string, Tensor>();
    for (const [name, axes] of readIndex(await readText(listed), INDEX)) {
      const source = await files.open(`${name}.npy`);
      if (!source) throw new TritlensError("E_FORMAT", `${files.name}: activation "${name}"`, { expected: `${name}.npy`, found: "no such file" });
      out.set(name, named(await whole(source, name), axes, name));
    }
    return out;
  }
  const file = await openSafetensors(input, options);
  try {
    return await readFile(file);
  } finally {
    await file.close();
  }
}

async function whole(source: ByteSource, name: string): Promise<StoredTensor> {
  try {
    return parseNpy(await readTensorBytes({ source, offset: 0, byteLength: source.size }), `${name}.npy`);
  } finally {
    await source.close();
  }
}

/** Of another program's file the axes are numbered. */
async function readFile({ tensors, metadata }: Safetensors): Promise<Map<string, Tensor>> {
  const text = metadata.get(KEY);
  const index = text === undefined ? [...tensors.keys()].map((name) => [name, undefined] as const) : readIndex(text, KEY);
  const out = new Map<string, Tensor>();
  for (const [name, axes] of index) {
    const info = tensors.get(name);
    if (!info) throw new TritlensError("E_FORMAT", `activation "${name}" of the index`, { expected: "a tensor of the file", found: "nothing" });
    const stored = { dtype: info.dtype, shape: info.shape, bytes: await readTensorBytes(info) };
    out.set(name, named(stored, axes, name));
  }
  return out;
}

function named(stored: StoredTensor, axes: readonly string[] | undefined, name: string): Tensor {
  if (axes && axes.length !== stored.shape.length)
    throw new TritlensError("E_FORMAT", `axes of activation "${name}"`, { expected: `${stored.shape.length} names`, found: `${axes.length}` });
  return toTensor(stored, axes);
}

/** @throws E_FORMAT for anything but what {@link saveCache} writes. */
function readIndex(text: string, where: string): Index {
  const bad = (found: string): TritlensError =>
    new TritlensError("E_FORMAT", `${where} of a cache`, { expected: `{"version": ${VERSION}, "tensors": [[name, [axis, ...]], ...]}`, found });
  let json: { version?: unknown; tensors?: unknown } | null;
  try {
    json = JSON.parse(text) as typeof json;
  } catch {
    throw bad("no JSON");
  }
  if (json?.version !== VERSION) throw bad(`version ${String(json?.version)}`);
  const { tensors } = json;
  if (!Array.isArray(tensors) || !tensors.every(isEntry)) throw bad("other tensors");
  if (new Set(tensors.map(([name]) => name)).size !== tensors.length) throw bad("a name twice");
  return tensors;
}

function isEntry(entry: unknown): entry is Index[number] {
  if (!Array.isArray(entry) || entry.length !== 2 || typeof entry[0] !== "string" || !Array.isArray(entry[1])) return false;
  return entry[1].every((axis) => typeof axis === "string");
}
