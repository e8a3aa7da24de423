/** The operations of a Spec. Each node has one output tensor; its rows are (batch, position), row-major, unless said otherwise. */

/** Activation functions of the core. `gelu` is exact (erf), `gelu_new` the tanh approximation, `relu2` is relu squared. */
export type ActFn = "relu" | "gelu" | "gelu_new" | "silu" | "relu2";

/** Every activation function. */
export const ACT_FNS: readonly ActFn[] = ["relu", "gelu", "gelu_new", "silu", "relu2"];

/** Index of a node; a node may only read nodes before it. */
export type NodeRef = number;
/** Index of a parameter. */
export type ParamRef = number;

/** A node that reads others. */
export interface Reads {
  /** The nodes read. */
  readonly in: readonly NodeRef[];
}

/** A table look-up: w[token] (`embed`) or w[position] (`pos`), one row a token. */
export interface TableNode {
  /** Which index is looked up. */
  readonly op: "embed" | "pos";
  /** The table, [ids, columns]. */
  readonly w: ParamRef;
}

/**
 * Sum of two nodes, softmax over the keys of scores, the last position's rows only ([batch, columns]), or the same values under another name (`copy`: an input
 * that hooks can change for one reader; it costs nothing while nobody listens).
 */
export interface PlainNode extends Reads {
  /** Which of the four. */
  readonly op: "add" | "softmax" | "last" | "copy";
}

/**
 * What a linear layer with int8 activations works with: the codes of x (-128..127, [rows, columns]) and their scale (x is about codes * scale, [rows, 1]). Taps: no
 * node may read them, and they are computed only where somebody listens.
 */
export interface CodesNode extends Reads {
  /** Codes, or their scale: max|x| / 127 a row. */
  readonly op: "codes" | "code_scale";
}

/** The integer sums of a linear layer with int8 activations, codes of x times codes of w ([rows, out]). A tap, as {@link CodesNode}. */
export interface AccNode extends Reads {
  /** Accumulators. */
  readonly op: "acc";
  /** The layer's weight, quantised or packed with one scale. */
  readonly w: ParamRef;
}

/** Norms of the vectors that lie side by side in a row. */
export interface PerHead {
  /** Vectors in a row, each with a norm of its own (QK norm); 1 when left out. */
  readonly heads?: number;
}

/** max(sqrt(mean((x - mean?)^2) + eps), floor): one number a vector. */
export interface NormScaleNode extends Reads, PerHead {
  /** Norm's divisor. */
  readonly op: "norm_scale";
  /** Subtract the row's mean first (LayerNorm). */
  readonly center: boolean;
  /** Added under the root. */
  readonly eps: number;
  /** Least divisor. */
  readonly floor: number;
}

/** (x - mean?) / s * w + b; reads x and the output of a `norm_scale`. */
export interface NormApplyNode extends Reads, PerHead {
  /** Norm's application. */
  readonly op: "norm_apply";
  /** Subtract the row's mean first (LayerNorm). */
  readonly center: boolean;
  /** Gain, or null. */
  readonly w: ParamRef | null;
  /** Bias, or null. */
  readonly b: ParamRef | null;
}

/** x . w^T + b with w stored [out, in]. */
export interface LinearNode extends Reads {
  /** Linear layer. */
  readonly op: "linear";
  /** Weight, quantised as its parameter says. */
  readonly w: ParamRef;
  /** Bias, or null. */
  readonly b: ParamRef | null;
  /** Quantise x to int8 per token first (b1.58). */
  readonly actQuant?: "int8";
}

/** x * w, column by column. */
export interface GainNode extends Reads, PerHead {
  /** Gain of a norm, on its own. */
  readonly op: "gain";
  /** Gain, one number a column. */
  readonly w: ParamRef;
}

/** Rotary position embedding (Su et al. 2021) of the first `dim` entries of each head. */
export interface RotaryNode extends Reads {
  /** Rotation by position. */
  readonly op: "rotary";
  /** Heads side by side in a row. */
  readonly heads: number;
  /** Rotated entries a head. */
  readonly dim: number;
  /** Base of the frequencies. */
  readonly base: number;
  /** Pairs (2i, 2i+1) instead of (i, i + dim/2). */
  readonly adjacent: boolean;
  /** Frequencies [dim / 2] in radians a position, instead of those of `base`: where scaling for long contexts enters. */
  readonly freqs?: readonly number[];
  /** Factor of cosine and sine (YaRN's attention factor); 1 when left out. */
  readonly scale?: number;
}

/** q . k * scale per head, [batch, head, query, key]; masked entries are -inf. */
export interface ScoresNode extends Reads {
  /** Attention scores. */
  readonly op: "scores";
  /** Query heads. */
  readonly heads: number;
  /** Key heads, a divisor of `heads`. */
  readonly kvHeads: number;
  /** Factor. */
  readonly scale: number;
  /** Mask keys behind the query. */
  readonly causal: boolean;
}

/** Pattern times values, heads side by side in a row. */
export interface MixNode extends Reads {
  /** Attention's weighted sum. */
  readonly op: "mix";
  /** Query heads. */
  readonly heads: number;
  /** Value heads, a divisor of `heads`. */
  readonly kvHeads: number;
}

/** An activation function, elementwise. */
export interface ActNode extends Reads {
  /** Elementwise function. */
  readonly op: "act";
  /** Which one. */
  readonly fn: ActFn;
}

/** fn(gate) * up + b; reads gate and up. */
export interface GluNode extends Reads {
  /** Gated linear unit. */
  readonly op: "glu";
  /** Function of the gate. */
  readonly fn: ActFn;
  /** Bias, or null. */
  readonly b: ParamRef | null;
}

/** One operation. */
export type NodeSpec =
  | TableNode
  | PlainNode
  | CodesNode
  | AccNode
  | NormScaleNode
  | NormApplyNode
  | LinearNode
  | GainNode
  | RotaryNode
  | ScoresNode
  | MixNode
  | ActNode
  | GluNode;
