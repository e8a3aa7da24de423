/** Rotary positions of config.json, as transformers 4 (`rope_theta`, `rope_scaling`) and 5 (`rope_parameters`) write them. */
import type { Fields } from "../fields.ts";
import { type RopeScaling, type RotaryOptions, rotaryOptions, yarnAttention } from "../rope.ts";

/** What an architecture knows about its rotary positions when the file does not say it. */
export interface RopeDefaults {
  readonly dHead: number;
  readonly base: number;
  /** Key and default of the rotated share of a head; absent where the whole head is always rotated. */
  readonly share?: { readonly key: string; readonly fallback: number };
  /** Key of the base beside the newer ones. */
  readonly baseKey?: string;
}

/** Rotary options of a model. @throws E_SPEC for schemes that are not supported. */
export function hfRope(f: Fields, { dHead, base, share, baseKey = "rope_theta" }: RopeDefaults): RotaryOptions {
  const given = f.object("rope_scaling") ?? f.object("rope_parameters");
  const from = (key: string): Fields => (given?.has(key) ? given : f);
  const theta = given?.has("rope_theta") ? given.positive("rope_theta") : f.positive(baseKey, base);
  let dim = dHead;
  if (share) {
    const where = given?.has("partial_rotary_factor") ? given : f;
    const part = where === f ? f.positive(share.key, share.fallback) : where.positive("partial_rotary_factor");
    dim = Math.trunc(dHead * part);
    if (dim < 2 || dim % 2 !== 0 || dim > dHead)
      throw where.wrong(where === f ? share.key : "partial_rotary_factor", `an even part of ${dHead} entries`, part);
  } else {
    from("partial_rotary_factor").neutral("partial_rotary_factor", 1);
  }
  return rotaryOptions(dim, theta, given === undefined ? { kind: "default" } : scalingOf(f, given));
}

function scalingOf(f: Fields, given: Fields): RopeScaling {
  const key = given.has("rope_type") || !given.has("type") ? "rope_type" : "type";
  const kind = given.text(key, "default");
  switch (kind) {
    case "default":
    // Frequencies change only beyond max_position_embeddings, where no context of this library reaches.
    case "dynamic":
      return { kind: "default" };
    case "linear":
      return { kind: "linear", factor: given.positive("factor") };
    case "llama3": {
      const [low, high] = [given.positive("low_freq_factor"), given.positive("high_freq_factor")];
      if (high <= low) throw given.wrong("high_freq_factor", `more than low_freq_factor ${low}`, high);
      return { kind: "llama3", factor: given.positive("factor"), low, high, context: oldContext(f, given) };
    }
    case "yarn":
      return yarnOf(f, given);
    default:
      throw given.wrong(key, "default, linear, dynamic, llama3 or yarn", kind);
  }
}

function yarnOf(f: Fields, given: Fields): RopeScaling {
  const context = oldContext(f, given);
  const factor = given.has("factor") ? given.positive("factor") : f.integer("max_position_embeddings") / context;
  const [mscale, all] = [given.positive("mscale", 0, true), given.positive("mscale_all_dim", 0, true)];
  const implied = mscale > 0 && all > 0 ? yarnAttention(factor, mscale) / yarnAttention(factor, all) : yarnAttention(factor);
  return {
    kind: "yarn",
    factor,
    context,
    // 0 and null mean the default there.
    betaFast: given.positive("beta_fast", 32, true) || 32,
    betaSlow: given.positive("beta_slow", 1, true) || 1,
    attention: given.positive("attention_factor", implied),
    truncate: given.flag("truncate", true),
  };
}

/** A value beside the parameters wins over the one among them; without either it is the model's longest context. */
function oldContext(f: Fields, given: Fields): number {
  const where = f.has("original_max_position_embeddings") || !given.has("original_max_position_embeddings") ? f : given;
  return where.integer("original_max_position_embeddings", where.get("max_position_embeddings") as number | undefined);
}
