/** Rotary positions of GGUF metadata, as llama.cpp writes and reads them. */
import type { Fields } from "../fields.ts";
import { type RopeScaling, type RotaryOptions, rotaryOptions, yarnAttention } from "../rope.ts";
import type { GgufFamily, GgufTensor } from "./index.ts";

/** Largest head whose frequencies are read from a tensor. */
const MOST_FREQS = 4096;

/** Rotary options of a model. @throws E_SPEC for schemes that are not supported. */
export async function ggufRope(
  f: Fields,
  at: string,
  family: GgufFamily,
  dHead: number,
  tensors: ReadonlyMap<string, GgufTensor>,
  readVector: (name: string) => Promise<Float32Array>,
): Promise<RotaryOptions> {
  const key = `${at}.rope.dimension_count`;
  const dim = f.integer(key, dHead);
  const whole = family.architecture !== "gpt_neox";
  if (dim % 2 !== 0 || dim > dHead || (whole && dim !== dHead)) throw f.wrong(key, whole ? String(dHead) : `an even number up to ${dHead}`, dim);
  const base = f.positive(`${at}.rope.freq_base`, 10000);
  const scaling = scalingOf(f, `${at}.rope.scaling.`);
  if (!tensors.has("rope_freqs.weight")) return rotaryOptions(dim, base, scaling);
  if (scaling.kind !== "default") throw f.wrong(`${at}.rope.scaling.type`, "none beside the tensor rope_freqs.weight", scaling.kind);
  const [count] = tensors.get("rope_freqs.weight")?.shape ?? [];
  if (count !== dim / 2 || count > MOST_FREQS) throw f.wrong(key, `twice the ${count} entries of rope_freqs.weight`, dim);
  const divisors = Array.from(await readVector("rope_freqs.weight"));
  const bad = divisors.find((d) => !(Number.isFinite(d) && d > 0));
  if (bad !== undefined) throw f.wrong("rope_freqs.weight", "positive finite numbers", bad);
  // Converters write the tensor with ones where nothing is scaled.
  return rotaryOptions(dim, base, divisors.every((d) => d === 1) ? { kind: "default" } : { kind: "divisors", divisors });
}

function scalingOf(f: Fields, at: string): RopeScaling {
  const kind = f.text(`${at}type`, "none");
  if (kind === "none") return { kind: "default" };
  if (kind === "linear") return { kind: "linear", factor: f.positive(`${at}factor`) };
  if (kind !== "yarn") throw f.wrong(`${at}type`, "none, linear or yarn", kind);
  const factor = f.positive(`${at}factor`);
  f.neutral(`${at}yarn_ext_factor`, 1, -1);
  f.neutral(`${at}yarn_log_multiplier`, 0);
  return {
    kind: "yarn",
    factor,
    context: f.integer(`${at}original_context_length`),
    betaFast: f.positive(`${at}yarn_beta_fast`, 32),
    betaSlow: f.positive(`${at}yarn_beta_slow`, 1),
    // llama.cpp multiplies its own factor with what the file names.
    attention: yarnAttention(factor) * f.positive(`${at}yarn_attn_factor`, f.positive(`${at}attn_factor`, 1)),
    truncate: true,
  };
}
