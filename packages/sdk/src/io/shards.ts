/** The index of a checkpoint that is split over several files (`model.safetensors.index.json`). */
import { TritlensError } from "../core/errors.ts";
import { readFileBytes, readSafetensors } from "./files.ts";
import { isBareName } from "./folder.ts";
import { parseHeader } from "./json.ts";
import type { StoredTensor } from "./safetensors.ts";

/**
 * Tensor name to file name. A shard must be a bare file name, so that an index cannot reach outside of its folder.
 *
 * @throws E_FORMAT.
 */
export function parseShardIndex(text: string): Map<string, string> {
  const map = parseHeader(text, true).get("weight_map");
  if (!(map instanceof Map)) throw new TritlensError("E_FORMAT", "malformed shard index", { expected: "an object weight_map", found: typeof map });
  for (const [name, file] of map) {
    if (typeof file === "string" && isBareName(file)) continue;
    throw new TritlensError("E_FORMAT", `shard of tensor "${name}" in the index`, { expected: "a bare file name", found: JSON.stringify(file) });
  }
  return map as Map<string, string>;
}

/**
 * All tensors of a split checkpoint.
 *
 * @param path - Path of the index file; shards lie beside it.
 * @throws E_IO, E_FORMAT.
 */
export async function readShards(path: string): Promise<Map<string, StoredTensor>> {
  const index = parseShardIndex(new TextDecoder("utf-8", { fatal: true }).decode(await readFileBytes(path)));
  const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  const files = new Map<string, Map<string, StoredTensor>>();
  for (const file of new Set(index.values())) files.set(file, (await readSafetensors(folder + file)).tensors);
  const out = new Map<string, StoredTensor>();
  for (const [name, file] of index) {
    const tensor = files.get(file)?.get(name);
    if (!tensor) throw new TritlensError("E_FORMAT", `shard "${file}" lacks tensor "${name}"`, { expected: name, found: "nothing" });
    out.set(name, tensor);
  }
  return out;
}
