/** The transformer family: config in, Spec out. Site names and their meaning are TransformerLens's (HookedTransformer 2.16). */
import { type NodeRef, type Quantizer, type SiteDim, type Spec, SpecBuilder } from "../spec/index.ts";
import type { Normalization, TransformerConfig } from "./config.ts";
import { initOf } from "./init.ts";

/** What every part of the model needs at hand. */
interface Site {
  readonly b: SpecBuilder;
  readonly c: TransformerConfig;
  /** The node of learned positions, where the model adds them itself (standard, shortformer). */
  readonly pos: NodeRef | undefined;
}

const RESID = (c: TransformerConfig): readonly SiteDim[] => ["batch", "seq", c.dModel];

/**
 * Builds the Spec of a transformer. Parameters carry TransformerLens's names; matrices are stored `[out, in]`.
 *
 * @param c - A complete configuration (see `transformerConfig`).
 */
export function transformerSpec(c: TransformerConfig): Spec {
  const b = new SpecBuilder(c.dVocab, c.nCtx);
  const embed = b.site("hook_embed", b.node({ op: "embed", w: param(b, c, "embed.W_E", [c.dVocab, c.dModel]) }), RESID(c));
  const pos = positions(b, c);
  const ctx: Site = { b, c, pos };
  let x = c.positions === "standard" && pos !== undefined ? b.node({ op: "add", in: [embed, pos] }) : embed;
  for (let i = 0; i < c.nLayers; i++) x = block(ctx, `blocks.${i}.`, x);
  const normed = norm(ctx, "ln_final.", c.finalNorm, x, c.finalNormEps, c.finalNormFloor);
  const logits = linear(b, c, normed, "unembed.W_U", "unembed.b_U", [c.dVocabOut, c.dModel], c.unembedBias, "none");
  // `last` stands at the very end, so that every site keeps TransformerLens's [batch, pos, ...]; the trainer moves it down by itself.
  return b.build(c.readout === "last" ? b.node({ op: "last", in: [logits] }) : logits);
}

function positions(b: SpecBuilder, c: TransformerConfig): NodeRef | undefined {
  if (c.positions !== "standard" && c.positions !== "shortformer") return undefined;
  const node = b.node({ op: "pos", w: param(b, c, "pos_embed.W_pos", [c.nCtx, c.dModel]) });
  return b.site("hook_pos_embed", node, RESID(c));
}

/** resid_pre -> resid_mid -> resid_post; with `parallelAttnMlp` both halves read resid_pre and there is no resid_mid. */
function block(s: Site, at: string, x: NodeRef): NodeRef {
  const { b, c } = s;
  b.site(`${at}hook_resid_pre`, x, RESID(c));
  const ln1 = norm(s, `${at}ln1.`, c.normalization, x, c.normEps, 0);
  const copy = (): NodeRef => (c.splitNorm ? norm(s, `${at}ln1.`, c.normalization, x, c.normEps, 0, false) : ln1);
  const attnOut = attention(s, at, ln1, copy(), copy());
  const mid = b.node({ op: "add", in: [x, attnOut] });
  if (c.attnOnly) return b.site(`${at}hook_resid_post`, mid, RESID(c));
  if (!c.parallelAttnMlp) b.site(`${at}hook_resid_mid`, mid, RESID(c));
  const mlpIn = norm(s, `${at}ln2.`, c.normalization, c.parallelAttnMlp ? x : mid, c.normEps, 0);
  return b.site(`${at}hook_resid_post`, b.node({ op: "add", in: [mid, mlp(s, at, mlpIn)] }), RESID(c));
}

function attention({ b, c, pos }: Site, at: string, forQ: NodeRef, forK: NodeRef, forV: NodeRef): NodeRef {
  const here = `${at}attn.`;
  const placed = (x: NodeRef): NodeRef => (c.positions === "shortformer" && pos !== undefined ? b.node({ op: "add", in: [x, pos] }) : x);
  const project = (name: "Q" | "K" | "V", from: NodeRef, heads: number): NodeRef => {
    const node = linear(b, c, from, `${here}W_${name}`, `${here}b_${name}`, [heads * c.dHead, c.dModel], c.attnBias);
    return b.site(`${here}hook_${name.toLowerCase()}`, node, ["batch", "seq", heads, c.dHead]);
  };
  const inQ = placed(forQ);
  const inK = forK === forQ ? inQ : placed(forK);
  const [q0, k0, v] = [project("Q", inQ, c.nHeads), project("K", inK, c.nKeyValueHeads), project("V", forV, c.nKeyValueHeads)];
  const q = rotate(b, c, `${here}hook_rot_q`, q0, c.nHeads);
  const k = rotate(b, c, `${here}hook_rot_k`, k0, c.nKeyValueHeads);
  const heads = { heads: c.nHeads, kvHeads: c.nKeyValueHeads };
  const square: SiteDim[] = ["batch", c.nHeads, "seq", "keys"];
  const scores = b.node({ op: "scores", in: [q, k], ...heads, scale: 1 / c.attnScale, causal: c.attentionDir === "causal" });
  const pattern = b.node({ op: "softmax", in: [b.site(`${here}hook_attn_scores`, scores, square)] });
  const z = b.node({ op: "mix", in: [b.site(`${here}hook_pattern`, pattern, square), v], ...heads });
  b.site(`${here}hook_z`, z, ["batch", "seq", c.nHeads, c.dHead]);
  const out = linear(b, c, z, `${here}W_O`, `${here}b_O`, [c.dModel, c.nHeads * c.dHead], c.attnBias);
  return b.site(`${at}hook_attn_out`, out, RESID(c));
}

function rotate(b: SpecBuilder, c: TransformerConfig, name: string, x: NodeRef, heads: number): NodeRef {
  if (c.positions !== "rotary") return x;
  const node = b.node({ op: "rotary", in: [x], heads, dim: c.rotaryDim, base: c.rotaryBase, adjacent: c.rotaryAdjacentPairs });
  return b.site(name, node, ["batch", "seq", heads, c.dHead]);
}

function mlp({ b, c }: Site, at: string, x: NodeRef): NodeRef {
  const here = `${at}mlp.`;
  const post = c.gatedMlp ? gated(b, c, here, x) : plain(b, c, here, x);
  b.site(`${here}hook_post`, post, ["batch", "seq", c.dMlp]);
  const out = linear(b, c, post, `${here}W_out`, `${here}b_out`, [c.dModel, c.dMlp], c.mlpBias);
  return b.site(`${at}hook_mlp_out`, out, RESID(c));
}

function plain(b: SpecBuilder, c: TransformerConfig, here: string, x: NodeRef): NodeRef {
  const pre = linear(b, c, x, `${here}W_in`, `${here}b_in`, [c.dMlp, c.dModel], c.mlpBias);
  return b.node({ op: "act", in: [b.site(`${here}hook_pre`, pre, ["batch", "seq", c.dMlp])], fn: c.actFn });
}

/** TransformerLens adds b_in after the product of gate and up-projection; neither projection has a bias of its own. */
function gated(b: SpecBuilder, c: TransformerConfig, here: string, x: NodeRef): NodeRef {
  const shape: SiteDim[] = ["batch", "seq", c.dMlp];
  const gate = b.site(`${here}hook_pre`, linear(b, c, x, `${here}W_gate`, "", [c.dMlp, c.dModel], false), shape);
  const up = b.site(`${here}hook_pre_linear`, linear(b, c, x, `${here}W_in`, "", [c.dMlp, c.dModel], false), shape);
  const bias = c.mlpBias ? param(b, c, `${here}b_in`, [c.dMlp]) : null;
  return b.node({ op: "glu", in: [gate, up], fn: c.actFn, b: bias });
}

/**
 * hook_scale and hook_normalized. TransformerLens fires hook_normalized after gain and bias in LayerNorm but before the gain in RMSNorm, hence the
 * separate `gain` node.
 */
function norm({ b, c }: Site, at: string, kind: Normalization, x: NodeRef, eps: number, floor: number, withSites = true): NodeRef {
  if (kind === "none") return x;
  const center = kind === "LN" || kind === "LNPre";
  const site = (name: string, node: NodeRef, shape: readonly SiteDim[]): NodeRef => (withSites ? b.site(`${at}${name}`, node, shape) : node);
  const scale = site("hook_scale", b.node({ op: "norm_scale", in: [x], center, eps, floor }), ["batch", "seq", 1]);
  const affine = kind === "LN";
  const w = affine ? param(b, c, `${at}w`, [c.dModel]) : null;
  const bias = affine ? param(b, c, `${at}b`, [c.dModel]) : null;
  const y = site("hook_normalized", b.node({ op: "norm_apply", in: [x, scale], center, w, b: bias }), RESID(c));
  return kind === "RMS" ? b.node({ op: "gain", in: [y], w: param(b, c, `${at}w`, [c.dModel]) }) : y;
}

function linear(
  b: SpecBuilder,
  c: TransformerConfig,
  x: NodeRef,
  weight: string,
  bias: string,
  shape: readonly [out: number, in_: number],
  withBias: boolean,
  quant: Quantizer = c.quantizer,
): NodeRef {
  const w = param(b, c, weight, shape, quant);
  const bRef = withBias ? param(b, c, bias, [shape[0]]) : null;
  // Activations are quantised only where weights are: the unembedding stays full precision (BitNet b1.58, FAQ).
  const actQuant = c.actQuant === "int8" && weight !== "unembed.W_U" ? ({ actQuant: "int8" } as const) : {};
  return b.node({ op: "linear", in: [x], w, b: bRef, ...actQuant });
}

function param(b: SpecBuilder, c: TransformerConfig, name: string, shape: readonly number[], quant: Quantizer = "none"): number {
  return b.find(name) ?? b.param(name, shape, initOf(c, name, shape), quant);
}
