/**
 * The Spec: a small typed graph that describes a model, and the only thing the Rust core compiles. It knows parameters, nodes (each with one output
 * tensor) and sites (names for activations); it knows no model families. Build one with {@link SpecBuilder}.
 */
import type { NodeRef, NodeSpec } from "./nodes.ts";

/** Quantiser of a weight's forward pass (papers/BitNet 2310.11453, b1.58 2402.17764, Li 2405.17703); `none` is full precision. */
export type Quantizer = "none" | "li_binary" | "binary" | "li_ternary" | "ternary";

/** Every quantiser, `none` first. */
export const QUANTIZERS: readonly Quantizer[] = ["none", "li_binary", "binary", "li_ternary", "ternary"];

/** Normal with mean 0. */
export interface NormalInit {
  /** Kind of initial values. */
  readonly kind: "normal";
  /** Standard deviation. */
  readonly std: number;
}

/** Uniform in [-bound, bound). */
export interface UniformInit {
  /** Kind of initial values. */
  readonly kind: "uniform";
  /** Half the width. */
  readonly bound: number;
}

/** One value everywhere. */
export interface ConstantInit {
  /** Kind of initial values. */
  readonly kind: "constant";
  /** The value. */
  readonly value: number;
}

/** How a parameter is filled by `init`. */
export type Init = NormalInit | UniformInit | ConstantInit;

/** One parameter. Matrices of linear layers are `[out, in]`, heads slow within `out` (queries) or within `in` (attention output). */
export interface ParamSpec {
  /** Unique name, TransformerLens's where it has one. */
  readonly name: string;
  /** Extents; [out, in] for matrices. */
  readonly shape: readonly number[];
  /** Initial values. */
  readonly init: Init;
  /** Quantiser of the forward pass. */
  readonly quant: Quantizer;
  /** A matrix that is loaded as a checkpoint has it (packed, f16, ...) and never trained: no f32 copy exists. Its `quant` is `none`. */
  readonly stored?: true;
}

/** An axis of a site: a fixed extent, or one of the run's; `keys` is `seq` and the positions cached before. */
export type SiteDim = number | "batch" | "seq" | "keys";

/** A named activation. Several sites may name one node: hook_resid_post of a block is hook_resid_pre of the next. */
export interface SiteSpec {
  /** Unique name. */
  readonly name: string;
  /** The node whose output this names. */
  readonly node: NodeRef;
  /** Extents. */
  readonly shape: readonly SiteDim[];
}

/** A whole model. Sites stand in the order in which they fire. */
export interface Spec {
  /** Number of token ids. */
  readonly vocab: number;
  /** Longest sequence. */
  readonly ctx: number;
  /** Parameters, in the order of the flat vector. */
  readonly params: readonly ParamSpec[];
  /** Operations, in the order of computation. */
  readonly nodes: readonly NodeSpec[];
  /** Named activations, in firing order. */
  readonly sites: readonly SiteSpec[];
  /** The node whose rows are the logits. */
  readonly output: NodeRef;
}
