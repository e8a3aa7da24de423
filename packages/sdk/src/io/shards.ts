/** The index of a checkpoint that is split over several files (`model.safetensors.index.json`). */
import { TritlensError } from "../core/errors.ts";
import { isBareName } from "./folder.ts";
import { parseHeader } from "./json.ts";

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
