/** Parts of the residual stream side by side, with their names. */
import { unknownName } from "../../core/errors.ts";
import { shortNumber, table } from "../../core/text.ts";
import type { Chart } from "../../plots/chart.ts";
import { meanOver, requireLength, shapeText, Tensor } from "../../tensor/index.ts";

/** Rows of a printed stack. */
const MOST = 40;

/**
 * Components of the residual stream along the first axis of a tensor, and what they are called (TransformerLens's labels: `0_pre`, `1_mlp_out`, `L0H3`, `L2N17`, `embed`,
 * `bias`). Also what {@link ActivationCache.logitAttrs} makes of such a stack: then there is no `d_model` axis.
 *
 * @example
 * ```ts
 * const stack = cache.stackHeadResults(-1, { posSlice: -1 });  // [component, batch, d_model]
 * const attrs = cache.logitAttrs(stack, { tokens: 5, posSlice: -1 });
 * attrs.at("L0H1"); drawSvg(attrs.chart());                    // drawSvg: tritlens/plots
 * ```
 */
export class ResidualStack {
  /** Components first, then batch and pos as far as they were not cut away, then d_model (or class). */
  readonly tensor: Tensor;
  /** One name a component. */
  readonly labels: readonly string[];

  /** @throws E_SHAPE unless there is one label a component. */
  constructor(tensor: Tensor, labels: readonly string[]) {
    requireLength("the labels of a stack", tensor.shape[0] ?? 0, labels.length);
    this.tensor = tensor;
    this.labels = labels;
  }

  /** One component. @throws E_NAME with the nearest labels. */
  at(label: string): Tensor {
    const i = this.labels.indexOf(label);
    if (i < 0) throw unknownName("component", label, this.labels);
    return this.tensor.slice(0, i);
  }

  /** Means over the batch: bars, or a heat map over positions where there are several; of vectors their lengths. */
  chart(): Chart {
    const { values, title } = this.#summary();
    const positions = values.axes.indexOf("pos");
    if (positions < 0) return { kind: "bars", title, x: { name: "component", labels: this.labels }, series: [{ name: title, values: values.data }] };
    const places = Array.from({ length: values.shape[positions] as number }, (_, i) => String(i));
    return { kind: "heatmap", title, values: values.data, x: { name: "position", labels: places }, y: { name: "component", labels: this.labels } };
  }

  /** A table of components with their mean over batch and positions. */
  toString(): string {
    const { values, title } = this.#summary();
    const flat = values.axes.includes("pos") ? meanOver(values, "pos") : values;
    const rows = this.labels.slice(0, MOST).map((label, i) => [label, shortNumber(flat.data[i])]);
    const rest = this.labels.length > MOST ? `\n... and ${this.labels.length - MOST} more` : "";
    return `${shapeText(this.tensor.shape, this.tensor.axes)}\n${table([["component", title], ...rows], [1])}${rest}`;
  }

  /** [component] or [component, pos]. */
  #summary(): { values: Tensor; title: string } {
    const last = this.tensor.axes.at(-1);
    const vectors = last === "d_model" || last === "class";
    const numbers = vectors ? lengths(this.tensor) : this.tensor;
    return { values: numbers.axes.includes("batch") ? meanOver(numbers, "batch") : numbers, title: vectors ? "length" : "value" };
  }
}

// What `console.log` shows in Node. Set here because a computed member name cannot be declared under isolatedDeclarations.
Object.defineProperty(ResidualStack.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: ResidualStack): string {
    return this.toString();
  },
});

/** Euclidean length along the last axis, which disappears. */
function lengths({ data, shape, axes }: Tensor): Tensor {
  const cols = shape.at(-1) as number;
  const out = new Float32Array(cols === 0 ? 0 : data.length / cols);
  for (let r = 0; r < out.length; r++) {
    let sum = 0;
    for (let i = 0; i < cols; i++) sum += (data[r * cols + i] as number) ** 2;
    out[r] = Math.sqrt(sum);
  }
  return Tensor.from(out, shape.slice(0, -1), axes.slice(0, -1));
}
