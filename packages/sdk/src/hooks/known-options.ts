/** Options that a call does not have are errors: a hook that silently does nothing is the worst kind. */
import { TritlensError, unknownName } from "../core/errors.ts";
import type { CacheOptions } from "./options.ts";

const KNOWN: Readonly<Record<keyof CacheOptions, true>> = {
  hooks: true,
  gradHooks: true,
  loss: true,
  stopAtLayer: true,
  names: true,
  budgetBytes: true,
  posSlice: true,
  batchSlice: true,
  inclGrad: true,
  paramGrads: true,
};

/** @throws E_NAME for an option that no run has (`fwdHooks`), E_SHAPE for hooks that were passed without their name. */
export function requireKnown(options: object): void {
  if (Array.isArray(options))
    throw new TritlensError("E_SHAPE", "hooks are an option", { expected: "{ hooks: [[name, hook], ...] }", found: "a list" });
  const names = Object.keys(KNOWN);
  // Undefined ones are left out, as everywhere.
  for (const [key, value] of Object.entries(options)) if (value !== undefined && !names.includes(key)) throw unknownName("option", key, names);
}
