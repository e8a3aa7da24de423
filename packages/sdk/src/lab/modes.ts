/** The modes of the experiment: a quantiser in an architecture. */
import { TritlensError, unknownName } from "../core/index.ts";
import { liConfig, type Mode, nandaConfig, type TransformerConfig } from "../models/index.ts";

/** Li's architecture with each quantiser, and Nanda's in full precision. */
export type LabMode = Mode | "nanda_fp32";

/** How a mode is built and shown. */
export interface LabModeInfo {
  /** Name on the command line. */
  readonly id: LabMode;
  /** Name in tables and figures. */
  readonly title: string;
  /** Name where there is little room. */
  readonly short: string;
  /** The quantiser in a few words. */
  readonly detail: string;
  /** `fp32`, `binary` or `ternary`: what the answer compares. */
  readonly family: "fp32" | "binary" | "ternary";
  /** Steps over which the learning rate rises linearly from 0 (Nanda's code: 10; Li's: none). */
  readonly warmupSteps: number;
  /** Epochs after which a run ends without having grokked, unless told otherwise. Nanda's model takes about 10,000 to grok, Li's 3,000 to 6,000. */
  readonly maxEpochs: number;
  /** Architecture for a modulus. */
  readonly config: (p: number) => TransformerConfig;
}

const li = (id: Mode, title: string, short: string, detail: string, family: LabModeInfo["family"]): LabModeInfo => ({
  id,
  title,
  short,
  detail,
  family,
  warmupSteps: 0,
  maxEpochs: 10_000,
  config: (p) => liConfig({ p, mode: id }),
});

/** Every mode, in the order in which tables and figures list them. */
export const LAB_MODES: readonly LabModeInfo[] = [
  li("fp32", "Full precision", "fp32", "quantiser off, same network", "fp32"),
  li("li_binary", "Binary (Li)", "binary", "sign(W − mean W), no scale", "binary"),
  li("li_ternary", "Ternary (Li)", "ternary", "centred, scale kept", "ternary"),
  li("binary", "Binary (BitNet)", "BitNet", "β · sign(W − mean W)", "binary"),
  li("ternary", "Ternary (b1.58)", "b1.58", "absmean, not centred", "ternary"),
  {
    id: "nanda_fp32",
    title: "Full precision (Nanda)",
    short: "Nanda",
    detail: "Nanda's architecture",
    family: "fp32",
    warmupSteps: 10,
    maxEpochs: 25_000,
    config: (p) => nandaConfig({ p, mode: "fp32" }),
  },
];

/** What a run without `--full` trains. */
export const DEFAULT_MODES: readonly LabMode[] = ["fp32", "li_binary", "li_ternary"];

/** Looks a mode up. @throws E_MODE with the nearest names. */
export function labMode(id: string): LabModeInfo {
  const found = LAB_MODES.find((m) => m.id === id);
  if (found) return found;
  const ids = LAB_MODES.map((m) => m.id);
  const nearest = unknownName("mode", id, ids).nearest;
  throw new TritlensError("E_MODE", `unknown mode "${id}"`, { expected: `one of ${ids.join(", ")}`, found: id, ...(nearest ? { nearest } : {}) });
}
