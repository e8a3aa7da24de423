/** The conformance suite runs once per backend: `TRITLENS_BACKEND` says which, `TRITLENS_ISA` forces the native kernels. */
import { type Core, liConfig, loadCore, type Mode, Model, nandaConfig, TritlensError } from "tritlens";
import { expect } from "vitest";

/** The backend under test. */
export const BACKEND = process.env.TRITLENS_BACKEND as "native" | "wasm";

/** Loads it; never falls back to another. */
export async function coreUnderTest(): Promise<Core> {
  const core = await loadCore({ backend: BACKEND });
  expect(core.backend).toBe(BACKEND);
  return core;
}

/** A small model of Li's architecture: 24 channels, 2 heads, p = 11. */
export function smallLi(mode: Mode = "fp32", seed = 0, p = 11): Model {
  return Model.fromConfig(liConfig({ p, mode, dModel: 24, nHeads: 2, dHead: 12, dMlp: 40 }), { seed });
}

/** A small model of Nanda's architecture with two blocks, logits at all positions. */
export function smallNanda(seed = 0): Model {
  return Model.fromConfig(nandaConfig({ p: 11, dModel: 16, nHeads: 2, dHead: 8, dMlp: 24, nLayers: 2, readout: "all" }), { seed });
}

/** The error code of what a call throws; fails when it throws nothing or something untyped. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof TritlensError) return error.code;
    throw error;
  }
  throw new Error("nothing was thrown");
}
