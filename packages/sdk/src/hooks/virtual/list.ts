/** Which virtual activations a model has. */
import { Tensor } from "../../tensor/index.ts";
import type { TokenRows } from "../tokens.ts";
import { lastInput } from "./last-input.ts";
import type { ModelParts } from "./part.ts";
import { type Projection, Reader, type ReaderPlace } from "./reader.ts";
import { HeadResult } from "./result.ts";
import { BEFORE, type VirtualSite } from "./site.ts";

/** Name of the tokens as an activation. */
export const TOKENS = "hook_tokens";

/** The tokens, which every model has. Ids are f32 as every activation is. */
export const TOKEN_SITE: VirtualSite = {
  name: TOKENS,
  after: BEFORE,
  targets: [],
  shape: ["batch", "seq"],
  excludes: [],
  read: (base) => base.copy(),
  write: () => undefined,
  grad: (_target, grad) => grad,
  giveBack: () => undefined,
};

/** Tokens [batch, pos] as an activation. */
export function tokenTensor({ data, batch, pos }: TokenRows): Tensor {
  return Tensor.from(Float32Array.from(data), [batch, pos], ["batch", "pos"]);
}

/** The virtual activations of the blocks, in the order in which they fire. */
export function blockSites(parts: ModelParts): VirtualSite[] {
  return Array.from({ length: parts.config.nLayers }, (_, layer) => `blocks.${layer}.`).flatMap((at) => [
    ...attentionInputs(parts, at),
    ...mlpInput(parts, at),
    ...results(parts, at),
  ]);
}

type Letter = "Q" | "K" | "V";

/**
 * hook_attn_in and hook_{q,k,v}_input. Where positions are added behind the norm and something that is not linear follows (shortformer with int8 activations), a change
 * cannot be carried to the queries, and there are none. hook_attn_in has one copy of the stream a head, which grouped keys and values do not.
 */
function attentionInputs(parts: ModelParts, at: string): VirtualSite[] {
  const c = parts.config;
  const after = parts.site(`${at}hook_resid_pre`);
  if (after === undefined || (c.positions === "shortformer" && (c.actQuant !== "none" || c.linearNorm))) return [];
  const letters = (["Q", "K", "V"] as const).filter((x) => parts.site(`${at}attn.hook_${x.toLowerCase()}`) !== undefined);
  const to = (x: Letter): [number, Projection] => [parts.site(`${at}attn.hook_${x.toLowerCase()}`) as number, ofMatrix(parts, at, `attn.W_${x}`)];
  const inputs = letters.map((x): ReaderPlace => {
    const heads = x === "Q" ? c.nHeads : c.nKeyValueHeads;
    return { name: nameOf(at, x), after, heads, projections: new Map([to(x)]), excludes: [`${at}hook_attn_in`] };
  });
  if (c.nKeyValueHeads !== c.nHeads) return inputs.map((place) => new Reader(parts, place));
  const names = letters.map((x) => nameOf(at, x));
  const whole: ReaderPlace = { name: `${at}hook_attn_in`, after, heads: c.nHeads, projections: new Map(letters.map(to)), excludes: names };
  return [whole, ...inputs].map((place) => new Reader(parts, place));
}

const nameOf = (at: string, x: Letter): string => `${at}hook_${x.toLowerCase()}_input`;

/** hook_mlp_in. A change shows in what ln2 gives (in the matrices' outputs where there is no norm); hook_scale stays that of the stream. */
function mlpInput(parts: ModelParts, at: string): VirtualSite[] {
  const c = parts.config;
  const after = parts.site(c.parallelAttnMlp ? `${at}hook_resid_pre` : `${at}hook_resid_mid`);
  if (c.attnOnly || after === undefined) return [];
  const normed = parts.site(`${at}ln2.hook_normalized`);
  const pre = parts.site(`${at}mlp.hook_pre`);
  const linear = parts.site(`${at}mlp.hook_pre_linear`);
  const projections = new Map<number, Projection>();
  if (normed !== undefined) projections.set(normed, { steps: () => parts.norm(`${at}ln2.`, c.normalization, c.normEps, true) });
  else {
    if (pre !== undefined) projections.set(pre, ofMatrix(parts, at, c.gatedMlp ? "mlp.W_gate" : "mlp.W_in"));
    if (linear !== undefined) projections.set(linear, ofMatrix(parts, at, "mlp.W_in"));
  }
  return [new Reader(parts, { name: `${at}hook_mlp_in`, after, heads: 0, projections })];
}

/** From the stream through the block's norm, and the matrix's own, to what a matrix gives. */
function ofMatrix(parts: ModelParts, at: string, matrix: string): Projection {
  const c = parts.config;
  const weight = `${at}${matrix}`;
  const norm = matrix.startsWith("attn") ? "ln1." : "ln2.";
  // `attn.W_Q` has its own norm at `attn.q.norm.`.
  const own = `${at}${matrix.replace(/W_(\w+)$/, (_, x: string) => x.toLowerCase())}.norm.`;
  return {
    weight,
    steps: () => [
      ...parts.norm(`${at}${norm}`, c.normalization, c.normEps),
      ...(parts.ownNorm(weight) ? parts.norm(own, "RMS", c.linearNormEps) : []),
    ],
  };
}

/** attn.hook_result. */
function results(parts: ModelParts, at: string): VirtualSite[] {
  const target = parts.site(`${at}hook_attn_out`);
  const input = lastInput(parts, at, "attn");
  return input === undefined || target === undefined ? [] : [new HeadResult(parts, `${at}attn.hook_result`, input, target)];
}
