/** Memory that may not be there. */
import { TritlensError } from "../core/errors.ts";

/** Room for f32 values that may be too many. @throws E_MEMORY. */
export function roomFor(what: string, length: number): Float32Array {
  try {
    return new Float32Array(length);
  } catch (cause) {
    throw new TritlensError("E_MEMORY", `${what} does not fit into memory`, {
      expected: "one layer at a time (model.weight)",
      found: `${4 * length} bytes`,
      cause,
    });
  }
}
