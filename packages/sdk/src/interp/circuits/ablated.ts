/** What ablated edges of a model carry. */
import {
  type ActivationCache,
  type Model,
  meanOver,
  requireShape,
  type Tensor,
  type TokenRows,
  type Tokens,
  TritlensError,
  toTokenRows,
} from "tritlens";

/**
 * What ablated edges carry: nothing (`zero`), the sender's mean over a batch of prompts at each position (`mean`), or its value in a corrupt run (`resample`).
 */
export type CircuitAblation = "zero" | "mean" | "resample";

/** Values of one place of the model in the ablated run: [rows, pos, d_model], where one row stands for the whole batch. */
export interface AblatedValue {
  /** Row-major [row, pos, d_model]. */
  readonly data: Float32Array;
  /** 1, or as many as there are prompts. */
  readonly rows: number;
}

/** What all parts of a model write, and what all of them read, when everything is ablated. */
export interface AblatedValues {
  /** Output of a sender: the embedding (`blocks.0.hook_resid_pre`), an MLP (`blocks.1.hook_mlp_out`), a head (with `head`, of `blocks.1.attn.hook_result`). Undefined is zero. */
  sender(site: string, head?: number): AblatedValue | undefined;
  /** The residual stream: sum of what the senders before it write, and of the biases b_O, which belong to no head. */
  stream(site: string): AblatedValue;
}

/**
 * The ablated values of a model for prompts of this shape.
 *
 * @param corrupt - For `resample`: a corrupt prompt for each prompt. For `mean`: prompts to take the means over.
 * @throws E_SHAPE when the corrupt prompts do not fit, E_MODE for `resample` without them, and for an unknown kind.
 */
export function ablatedValues(model: Model, rows: TokenRows, kind: CircuitAblation, corrupt: Tokens | undefined): AblatedValues {
  if (kind === "zero") return zeroValues(model, rows.pos);
  if (kind !== "mean" && kind !== "resample")
    throw new TritlensError("E_MODE", `unknown ablation "${String(kind)}"`, { expected: "zero, mean or resample", found: String(kind) });
  if (kind === "resample" && corrupt === undefined)
    throw new TritlensError("E_MODE", "resample ablation takes its values from a corrupt run", { expected: "corrupt: tokens", found: "none" });
  const other = corrupt === undefined ? rows : toTokenRows(corrupt);
  requireShape("the corrupt tokens", [kind === "mean" ? other.batch : rows.batch, rows.pos], [other.batch, other.pos]);
  const { cache } = model.runWithCache({ data: other.data, shape: [other.batch, other.pos] }, { names: placesOf(model) });
  return cachedValues(cache, kind === "mean");
}

/** Every place that is read or written: residual streams, outputs of heads and MLPs. */
function placesOf(model: Model): string[] {
  const blocks = Array.from({ length: model.layers }, (_, l) => `blocks.${l}.`);
  const names = blocks.flatMap((at) => [
    `${at}hook_resid_pre`,
    `${at}attn.hook_result`,
    `${at}hook_resid_mid`,
    `${at}hook_mlp_out`,
    `${at}hook_resid_post`,
  ]);
  return names.filter((name) => name.endsWith("hook_result") || model.siteNames.includes(name));
}

function cachedValues(cache: ActivationCache, mean: boolean): AblatedValues {
  const known = new Map<string, AblatedValue>();
  const value = (site: string, head?: number): AblatedValue => {
    const key = `${site} ${head ?? ""}`;
    const found = known.get(key) ?? toValue(cache.get(site), head, mean);
    known.set(key, found);
    return found;
  };
  return { sender: value, stream: (site) => value(site) };
}

function toValue(all: Tensor, head: number | undefined, mean: boolean): AblatedValue {
  const tensor = head === undefined ? all : all.slice("head", head);
  return mean ? { data: meanOver(tensor, "batch").data, rows: 1 } : { data: tensor.data, rows: tensor.shape[0] as number };
}

/** Senders are silent; what is left in the stream are the biases b_O of the layers before. */
function zeroValues(model: Model, pos: number): AblatedValues {
  const width = model.config?.dModel ?? 0;
  const params = new Set(model.paramNames);
  const streams: Float32Array[] = [new Float32Array(width)];
  for (let l = 0; l < model.layers; l++) {
    const bias = params.has(`blocks.${l}.attn.b_O`) ? model.readParam(`blocks.${l}.attn.b_O`).data : undefined;
    streams.push((streams[l] as Float32Array).map((x, i) => x + (bias?.[i] ?? 0)));
  }
  const everywhere = (one: Float32Array): AblatedValue => {
    const data = new Float32Array(pos * width);
    for (let t = 0; t < pos; t++) data.set(one, t * width);
    return { data, rows: 1 };
  };
  return {
    sender: () => undefined,
    // `resid_pre` of a block lies before its attention, `resid_mid` and `resid_post` behind it.
    stream(site) {
      const [, layer, place] = /^blocks\.(\d+)\.hook_(\w+)$/.exec(site) as RegExpExecArray;
      return everywhere(streams[Number(layer) + (place === "resid_pre" ? 0 : 1)] as Float32Array);
    },
  };
}
