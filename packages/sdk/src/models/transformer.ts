/** The transformer family: config in, Spec out. Site names and their meaning are TransformerLens's (HookedTransformer 2.16). */
import type { NodeRef, SiteDim, Spec } from "../spec/index.ts";
import type { TransformerConfig } from "./config.ts";
import { Parts } from "./parts.ts";

/**
 * Builds the Spec of a transformer. Parameters carry TransformerLens's names; matrices are stored `[out, in]`.
 *
 * @param c - A complete configuration (see `transformerConfig`).
 */
export function transformerSpec(c: TransformerConfig): Spec {
  const p = new Parts(c);
  const { b } = p;
  const embed = b.site("hook_embed", b.node({ op: "embed", w: p.matrix("embed.W_E", [c.dVocab, c.dModel], true) }), p.resid());
  const pos = positions(p);
  let x = c.positions === "standard" && pos !== undefined ? b.node({ op: "add", in: [embed, pos] }) : embed;
  for (let i = 0; i < c.nLayers; i++) x = block(p, `blocks.${i}.`, x, pos);
  const normed = p.norm("ln_final.", c.finalNorm, x, { eps: c.finalNormEps, floor: c.finalNormFloor });
  if (c.unembedSites) b.site("unembed.hook_in", normed, p.resid());
  const logits = p.linear(normed, {
    at: "unembed.",
    weight: c.tiedEmbeddings ? "embed.W_E" : "unembed.W_U",
    bias: c.unembedBias ? "unembed.b_U" : undefined,
    shape: [c.dVocabOut, c.dModel],
    inShape: p.resid(),
    outShape: ["batch", "seq", c.dVocabOut],
    names: c.unembedSites ? ["unembed.hook_out"] : [],
    plain: true,
  });
  // `last` stands at the very end, so that every site keeps TransformerLens's [batch, pos, ...]; the trainer moves it down by itself.
  return b.build(c.readout === "last" ? b.node({ op: "last", in: [logits] }) : logits);
}

function positions(p: Parts): NodeRef | undefined {
  const { b, c } = p;
  if (c.positions !== "standard" && c.positions !== "shortformer") return undefined;
  return b.site("hook_pos_embed", b.node({ op: "pos", w: p.matrix("pos_embed.W_pos", [c.nCtx, c.dModel], true) }), p.resid());
}

/** resid_pre -> resid_mid -> resid_post; with `parallelAttnMlp` both halves read resid_pre and there is no resid_mid. */
function block(p: Parts, at: string, x: NodeRef, pos: NodeRef | undefined): NodeRef {
  const { b, c } = p;
  b.site(`${at}hook_resid_pre`, x, p.resid());
  const ln1 = p.norm(`${at}ln1.`, c.normalization, x, { eps: c.normEps });
  const copy = (): NodeRef => (c.splitNorm ? p.norm(`${at}ln1.`, c.normalization, x, { eps: c.normEps, sites: false }) : ln1);
  const attnOut = attention(p, at, pos, ln1, copy(), copy());
  const mid = b.node({ op: "add", in: [x, attnOut] });
  if (c.attnOnly) return b.site(`${at}hook_resid_post`, mid, p.resid());
  if (!c.parallelAttnMlp) b.site(`${at}hook_resid_mid`, mid, p.resid());
  const mlpIn = p.norm(`${at}ln2.`, c.normalization, c.parallelAttnMlp ? x : mid, { eps: c.normEps });
  return b.site(`${at}hook_resid_post`, b.node({ op: "add", in: [mid, mlp(p, at, mlpIn)] }), p.resid());
}

function attention(p: Parts, at: string, pos: NodeRef | undefined, forQ: NodeRef, forK: NodeRef, forV: NodeRef): NodeRef {
  const { b, c } = p;
  const here = `${at}attn.`;
  const placed = (x: NodeRef): NodeRef => (c.positions === "shortformer" && pos !== undefined ? b.node({ op: "add", in: [x, pos] }) : x);
  const inQ = placed(forQ);
  const inK = forK === forQ ? inQ : placed(forK);
  const [q0, k0] = [project(p, here, "Q", inQ, c.nHeads), project(p, here, "K", inK, c.nKeyValueHeads)];
  const v = project(p, here, "V", forV, c.nKeyValueHeads);
  const q = rotate(p, `${here}hook_rot_q`, headNorm(p, here, "q", q0, c.nHeads), c.nHeads);
  const k = rotate(p, `${here}hook_rot_k`, headNorm(p, here, "k", k0, c.nKeyValueHeads), c.nKeyValueHeads);
  const heads = { heads: c.nHeads, kvHeads: c.nKeyValueHeads };
  const square: SiteDim[] = ["batch", c.nHeads, "seq", "keys"];
  const scores = b.node({ op: "scores", in: [q, k], ...heads, scale: 1 / c.attnScale, causal: c.attentionDir === "causal" });
  const pattern = b.node({ op: "softmax", in: [b.site(`${here}hook_attn_scores`, scores, square)] });
  const z = b.node({ op: "mix", in: [b.site(`${here}hook_pattern`, pattern, square), v], ...heads });
  const byHead: SiteDim[] = ["batch", "seq", c.nHeads, c.dHead];
  b.site(`${here}hook_z`, z, byHead);
  return p.linear(c.subNorm ? p.norm(`${here}sub_norm.`, "RMS", z, { eps: c.normEps, shape: byHead }) : z, {
    at: `${here}o.`,
    weight: `${here}W_O`,
    bias: c.attnOutBias ? `${here}b_O` : undefined,
    shape: [c.dModel, c.nHeads * c.dHead],
    inShape: byHead,
    outShape: p.resid(),
    names: [`${at}hook_attn_out`],
  });
}

function project(p: Parts, here: string, name: "Q" | "K" | "V", from: NodeRef, heads: number): NodeRef {
  const { c } = p;
  const short = name.toLowerCase();
  return p.linear(from, {
    at: `${here}${short}.`,
    weight: `${here}W_${name}`,
    bias: c.attnBias ? `${here}b_${name}` : undefined,
    shape: [heads * c.dHead, c.dModel],
    inShape: p.resid(),
    outShape: ["batch", "seq", heads, c.dHead],
    names: [`${here}hook_${short}`],
  });
}

function headNorm(p: Parts, here: string, short: "q" | "k", x: NodeRef, heads: number): NodeRef {
  if (!p.c.qkNorm) return x;
  return p.b.site(`${here}hook_${short}_normed`, p.headNorm(`${here}${short}_norm.`, x, heads), ["batch", "seq", heads, p.c.dHead]);
}

function rotate({ b, c }: Parts, name: string, x: NodeRef, heads: number): NodeRef {
  if (c.positions !== "rotary") return x;
  const scaling = c.rotaryFreqs === null && c.rotaryScale === 1 ? {} : { ...(c.rotaryFreqs ? { freqs: c.rotaryFreqs } : {}), scale: c.rotaryScale };
  const node = b.node({ op: "rotary", in: [x], heads, dim: c.rotaryDim, base: c.rotaryBase, adjacent: c.rotaryAdjacentPairs, ...scaling });
  return b.site(name, node, ["batch", "seq", heads, c.dHead]);
}

function mlp(p: Parts, at: string, x: NodeRef): NodeRef {
  const { b, c } = p;
  const here = `${at}mlp.`;
  const wide: SiteDim[] = ["batch", "seq", c.dMlp];
  const post = b.site(`${here}hook_post`, c.gatedMlp ? gated(p, here, x, wide) : plain(p, here, x, wide), wide);
  return p.linear(c.subNorm ? p.norm(`${here}sub_norm.`, "RMS", post, { eps: c.normEps, shape: wide }) : post, {
    at: `${here}out.`,
    weight: `${here}W_out`,
    bias: c.mlpBias ? `${here}b_out` : undefined,
    shape: [c.dModel, c.dMlp],
    inShape: wide,
    outShape: p.resid(),
    names: [`${at}hook_mlp_out`],
  });
}

/** A matrix into the MLP. */
function into(p: Parts, here: string, layer: "gate" | "in", x: NodeRef, wide: SiteDim[], site: string, withBias: boolean): NodeRef {
  return p.linear(x, {
    at: `${here}${layer}.`,
    weight: `${here}W_${layer}`,
    bias: withBias ? `${here}b_${layer}` : undefined,
    shape: [p.c.dMlp, p.c.dModel],
    inShape: p.resid(),
    outShape: wide,
    names: [`${here}${site}`],
  });
}

function plain(p: Parts, here: string, x: NodeRef, wide: SiteDim[]): NodeRef {
  return p.b.node({ op: "act", in: [into(p, here, "in", x, wide, "hook_pre", p.c.mlpBias)], fn: p.c.actFn });
}

/** TransformerLens adds b_in after the product of gate and up-projection; with `gateBias` both projections have a bias of their own instead. */
function gated(p: Parts, here: string, x: NodeRef, wide: SiteDim[]): NodeRef {
  const { b, c } = p;
  const gate = into(p, here, "gate", x, wide, "hook_pre", c.gateBias);
  const up = into(p, here, "in", x, wide, "hook_pre_linear", c.gateBias);
  const bias = c.mlpBias && !c.gateBias ? p.vector(`${here}b_in`, [c.dMlp]) : null;
  return b.node({ op: "glu", in: [gate, up], fn: c.actFn, b: bias });
}
