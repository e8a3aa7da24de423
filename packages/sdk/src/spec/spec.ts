/**
 * The Spec: a small typed graph that describes a model, and the only thing the Rust core compiles. It knows parameters, nodes (each with one output
 * tensor) and sites (names for activations); it knows no model families. Build one with {@link SpecBuilder}.
 */

/** Quantiser of a weight's forward pass (papers/BitNet 2310.11453, b1.58 2402.17764, Li 2405.17703); `none` is full precision. */
export type Quantizer = "none" | "li_binary" | "binary" | "li_ternary" | "ternary";

/** Every quantiser, `none` first. */
export const QUANTIZERS: readonly Quantizer[] = ["none", "li_binary", "binary", "li_ternary", "ternary"];

/** How a parameter is filled by `init`. */
export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "constant"; readonly value: number };

/** One parameter. Matrices of linear layers are `[out, in]`, heads slow within `out` (queries) or within `in` (attention output). */
export interface ParamSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
  readonly quant: Quantizer;
}

/** Activation functions of the core. `gelu` is exact (erf), `gelu_new` the tanh approximation, `relu2` is relu squared. */
export type ActFn = "relu" | "gelu" | "gelu_new" | "silu" | "relu2";

/** Every activation function. */
export const ACT_FNS: readonly ActFn[] = ["relu", "gelu", "gelu_new", "silu", "relu2"];

/** Index of a node; a node may only read nodes before it. */
export type NodeRef = number;
/** Index of a parameter. */
export type ParamRef = number;

/**
 * One operation. `in` lists the nodes it reads. Rows are (batch, position), row-major.
 *
 * - `embed`: w[token]; `pos`: w[position], one row a token.
 * - `norm_scale`: max(sqrt(mean((x - mean?)^2) + eps), floor), one number a row; `norm_apply`: (x - mean?) / s * w + b.
 * - `linear`: x . w^T + b, with int8 per-token activations when `actQuant` is `int8`.
 * - `scores`: q . k * scale per head, masked entries -inf when `causal`; `mix`: pattern . v, heads side by side.
 * - `gain`: x * w per column; `glu`: fn(gate) * up + b; `last`: only the last position's rows.
 */
export type NodeSpec =
  | { readonly op: "embed" | "pos"; readonly w: ParamRef }
  | { readonly op: "add"; readonly in: readonly NodeRef[] }
  | { readonly op: "norm_scale"; readonly in: readonly NodeRef[]; readonly center: boolean; readonly eps: number; readonly floor: number }
  | { readonly op: "norm_apply"; readonly in: readonly NodeRef[]; readonly center: boolean; readonly w: ParamRef | null; readonly b: ParamRef | null }
  | { readonly op: "linear"; readonly in: readonly NodeRef[]; readonly w: ParamRef; readonly b: ParamRef | null; readonly actQuant?: "int8" }
  | { readonly op: "gain"; readonly in: readonly NodeRef[]; readonly w: ParamRef }
  | {
      readonly op: "rotary";
      readonly in: readonly NodeRef[];
      readonly heads: number;
      readonly dim: number;
      readonly base: number;
      readonly adjacent: boolean;
    }
  | {
      readonly op: "scores";
      readonly in: readonly NodeRef[];
      readonly heads: number;
      readonly kvHeads: number;
      readonly scale: number;
      readonly causal: boolean;
    }
  | { readonly op: "softmax" | "last"; readonly in: readonly NodeRef[] }
  | { readonly op: "mix"; readonly in: readonly NodeRef[]; readonly heads: number; readonly kvHeads: number }
  | { readonly op: "act"; readonly in: readonly NodeRef[]; readonly fn: ActFn }
  | { readonly op: "glu"; readonly in: readonly NodeRef[]; readonly fn: ActFn; readonly b: ParamRef | null };

/** An axis of a site: a fixed extent, or one of the run's. */
export type SiteDim = number | "batch" | "seq";

/** A named activation. Several sites may name one node: hook_resid_post of a block is hook_resid_pre of the next. */
export interface SiteSpec {
  readonly name: string;
  readonly node: NodeRef;
  readonly shape: readonly SiteDim[];
}

/** A whole model. Sites stand in the order in which they fire. */
export interface Spec {
  /** Number of token ids. */
  readonly vocab: number;
  /** Longest sequence. */
  readonly ctx: number;
  readonly params: readonly ParamSpec[];
  readonly nodes: readonly NodeSpec[];
  readonly sites: readonly SiteSpec[];
  /** The node whose rows are the logits. */
  readonly output: NodeRef;
}
