/** Pieces that blocks are made of: parameters, matrices with the sites of their quantisers, norms. */
import { type NodeRef, type ParamRef, type SiteDim, SpecBuilder } from "../spec/index.ts";
import type { Normalization, TransformerConfig } from "./config.ts";
import { initOf } from "./init.ts";

/** What every part of the model needs at hand. */
export class Parts {
  readonly b: SpecBuilder;
  readonly c: TransformerConfig;
  readonly #plain: ReadonlySet<string>;

  constructor(c: TransformerConfig) {
    this.c = c;
    this.b = new SpecBuilder(c.dVocab, c.nCtx);
    this.#plain = new Set(c.plainMatrices);
  }

  /** Extents of the residual stream. */
  resid(): readonly SiteDim[] {
    return ["batch", "seq", this.c.dModel];
  }

  /** A gain, bias or table of positions; the same one when it was asked for before. */
  vector(name: string, shape: readonly number[]): ParamRef {
    return this.b.find(name) ?? this.b.param(name, shape, initOf(this.c, name, shape));
  }

  /** A matrix [out, in] that is quantised as the config says, unless `plain`. */
  matrix(name: string, shape: readonly [out: number, in_: number], plain: boolean): ParamRef {
    const known = this.b.find(name);
    if (known !== undefined) return known;
    if (this.c.stored) return this.b.stored(name, shape);
    return this.b.param(name, shape, initOf(this.c, name, shape), plain ? "none" : this.c.quantizer);
  }

  /** x W^T + b, with the sites of its input's quantiser before it and its own names after it. */
  linear(x: NodeRef, layer: Layer): NodeRef {
    const { b, c } = this;
    const plain = layer.plain || this.#plain.has(layer.weight);
    const w = this.matrix(layer.weight, layer.shape, plain);
    const bias = layer.bias === undefined ? null : this.vector(layer.bias, [layer.shape[0]]);
    const int8 = c.actQuant === "int8" && !plain;
    const from = plain || !c.linearNorm ? x : this.norm(`${layer.at}norm.`, "RMS", x, { eps: c.linearNormEps, shape: layer.inShape });
    const inside = int8 && c.quantSites;
    const node = b.node({ op: "linear", in: [inside ? this.#quantizer(from, w, layer) : from], w, b: bias, ...(int8 ? { actQuant: "int8" } : {}) });
    for (const name of layer.names) b.site(name, node, layer.outShape);
    return inside ? b.site(`${layer.at}hook_out`, node, layer.outShape) : node;
  }

  /** The input as the quantiser gets it (writable), and what the quantiser makes of it. */
  #quantizer(x: NodeRef, w: ParamRef, { at, inShape, outShape }: Layer): NodeRef {
    const { b } = this;
    const from = b.site(`${at}hook_in`, b.node({ op: "copy", in: [x] }), inShape);
    b.site(`${at}hook_in_codes`, b.node({ op: "codes", in: [from] }), inShape);
    b.site(`${at}hook_in_scale`, b.node({ op: "code_scale", in: [from] }), ["batch", "seq", 1]);
    b.site(`${at}hook_acc`, b.node({ op: "acc", in: [from], w }), outShape);
    return from;
  }

  /**
   * hook_scale and hook_normalized. TransformerLens fires hook_normalized after gain and bias in LayerNorm but before the gain in RMSNorm, hence the
   * separate `gain` node.
   */
  norm(at: string, kind: Normalization, x: NodeRef, { eps, floor = 0, shape = this.resid(), sites = true }: NormOptions): NodeRef {
    if (kind === "none") return x;
    const { b } = this;
    const cols = columns(shape);
    const center = kind === "LN" || kind === "LNPre";
    const site = (name: string, node: NodeRef, dims: readonly SiteDim[]): NodeRef => (sites ? b.site(`${at}${name}`, node, dims) : node);
    const scale = site("hook_scale", b.node({ op: "norm_scale", in: [x], center, eps, floor }), ["batch", "seq", 1]);
    const affine = kind === "LN";
    const w = affine ? this.vector(`${at}w`, [cols]) : null;
    const bias = affine ? this.vector(`${at}b`, [cols]) : null;
    const y = site("hook_normalized", b.node({ op: "norm_apply", in: [x, scale], center, w, b: bias }), shape);
    return kind === "RMS" ? b.node({ op: "gain", in: [y], w: this.vector(`${at}w`, [cols]) }) : y;
  }

  /** RMS norm of each of `heads` vectors side by side, with one gain for all. */
  headNorm(at: string, x: NodeRef, heads: number): NodeRef {
    const { b, c } = this;
    const scale = b.node({ op: "norm_scale", in: [x], center: false, eps: c.normEps, floor: 0, heads });
    const y = b.node({ op: "norm_apply", in: [x, scale], center: false, w: null, b: null, heads });
    return b.node({ op: "gain", in: [y], w: this.vector(`${at}w`, [c.dHead]), heads });
  }
}

/** A linear layer and its names. */
export interface Layer {
  /** Where its inner sites stand, such as `blocks.0.attn.q.`. */
  readonly at: string;
  readonly weight: string;
  readonly bias?: string | undefined;
  /** [out, in]. */
  readonly shape: readonly [out: number, in_: number];
  readonly inShape: readonly SiteDim[];
  readonly outShape: readonly SiteDim[];
  /** Sites of its output. */
  readonly names: readonly string[];
  /** Full precision, whatever the config says: the unembedding (BitNet b1.58, FAQ). */
  readonly plain?: boolean;
}

interface NormOptions {
  readonly eps: number;
  readonly floor?: number;
  readonly shape?: readonly SiteDim[];
  readonly sites?: boolean;
}

function columns(shape: readonly SiteDim[]): number {
  return shape.reduce((n: number, d) => (typeof d === "number" ? n * d : n), 1);
}
