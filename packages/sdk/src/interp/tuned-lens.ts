/** The tuned lens (Belrose et al. 2023, arXiv 2303.08112): an affine translator a layer, from its language into the last one's. */
import { type Model, parseSafetensors, serializeSafetensors, Tensor, type Tokens, TritlensError, toTensor } from "tritlens";
import { type LensOptions, type LensReading, type ResidualStreamOptions, readLens, residualStream } from "tritlens/interp";
import { type LineChart, Result } from "tritlens/plots";

const FORMAT = "tritlens tuned lens 1";

/** Mean KL divergences by layer, KL(final || layer) in nats. */
export interface LensQuality {
  /** Of the logit lens, [layer]. */
  readonly logitLens: Tensor;
  /** Of the tuned lens, [layer]. */
  readonly tunedLens: Tensor;
}

/**
 * Translators of every layer but the last: x becomes x + x . weight + bias before it is read out. Made by {@link trainTunedLens}.
 *
 * @example
 * ```ts
 * const lens = await trainTunedLens(model, texts);      // [example, pos] tokens
 * console.log(lens.quality.tunedLens.data);             // how far each layer is from the final answer, on text that was not trained on
 * console.log(await lens.read(model, [[1, 5, 2]]));
 * await writeFileAtomic("lens.safetensors", lens.save());
 * ```
 */
export class TunedLens extends Result {
  /** Names of the translated layers: `0_pre`, ... */
  readonly labels: readonly string[];
  /** What is added to a row x is x . weight + bias: [layer, d_in, d_out]. */
  readonly weight: Tensor;
  /** [layer, d_model]. */
  readonly bias: Tensor;
  /** How good it is, on examples that were neither trained on nor chosen by. */
  readonly quality: LensQuality;

  constructor(labels: readonly string[], weight: Tensor, bias: Tensor, quality: LensQuality) {
    super();
    this.labels = labels;
    this.weight = weight;
    this.bias = bias;
    this.quality = quality;
  }

  /** KL divergence by layer, with and without translators. */
  override chart(): LineChart {
    return {
      kind: "lines",
      title: "Tuned lens: divergence from the final answer",
      caption: "Lower is closer to what the model says in the end.",
      x: { name: "layer", values: this.labels.map((_, i) => i) },
      series: [
        { name: "logit lens", values: this.quality.logitLens.data },
        { name: "tuned lens", values: this.quality.tunedLens.data },
      ],
      unit: "KL divergence (nats)",
    };
  }

  /** Reads a text out at every layer. @throws E_SHAPE for a model of another shape; E_RANGE, E_NONFINITE, E_ABORTED as `readLens`. */
  async read(model: Model, tokens: Tokens, options: LensOptions & Omit<ResidualStreamOptions, "inclMid"> = {}): Promise<LensReading> {
    const { stack, ...rest } = residualStream(model, tokens, options.hooks ? { hooks: options.hooks } : {});
    const [layers, d] = [this.labels.length, this.weight.shape[1] as number];
    if (stack.shape[0] !== layers + 1 || stack.shape[3] !== d)
      throw new TritlensError("E_SHAPE", "the lens was trained on another model", {
        expected: `${layers} blocks of width ${d}`,
        found: `${(stack.shape[0] as number) - 1} blocks of width ${stack.shape[3]}`,
      });
    const data = stack.data.slice();
    const [n, size] = [data.length / (layers + 1), d * d];
    for (let l = 0; l < layers; l++) {
      const x = data.subarray(l * n, (l + 1) * n);
      x.set(translate(model, x, this.weight.data.subarray(l * size, (l + 1) * size), this.bias.data.subarray(l * d, (l + 1) * d)));
    }
    return readLens(model, { ...rest, stack: Tensor.from(data, stack.shape, stack.axes) }, options, "tuned lens");
  }

  /** The lens as a safetensors file. */
  save(): Uint8Array {
    const tensors: [string, Tensor][] = [
      ["weight", this.weight],
      ["bias", this.bias],
      ["quality.logit_lens", this.quality.logitLens],
      ["quality.tuned_lens", this.quality.tunedLens],
    ];
    return serializeSafetensors(tensors, new Map([["format", FORMAT]]));
  }

  /** A lens that was saved. @throws E_FORMAT for another file. */
  static load(bytes: Uint8Array): TunedLens {
    const bad = (expected: string, found: string): TritlensError =>
      new TritlensError("E_FORMAT", "the file holds no tuned lens", { expected, found });
    if (!(bytes instanceof Uint8Array)) throw bad("bytes", typeof bytes);
    const { tensors, metadata } = parseSafetensors(bytes);
    if (metadata.get("format") !== FORMAT) throw bad(`metadata format "${FORMAT}"`, metadata.get("format") ?? "none");
    const get = (name: string, axes: readonly string[]): Tensor => {
      const stored = tensors.get(name);
      if (stored?.shape.length !== axes.length) throw bad(`tensor "${name}" [${axes.join(", ")}]`, stored ? `[${stored.shape.join(", ")}]` : "none");
      return toTensor(stored, axes);
    };
    const weight = get("weight", ["layer", "d_in", "d_out"]);
    const bias = get("bias", ["layer", "d_model"]);
    const quality = { logitLens: get("quality.logit_lens", ["layer"]), tunedLens: get("quality.tuned_lens", ["layer"]) };
    const [layers, d] = weight.shape as unknown as [number, number];
    const fits = weight.shape[2] === d && bias.shape[0] === layers && bias.shape[1] === d;
    if (!fits || quality.logitLens.size !== layers || quality.tunedLens.size !== layers)
      throw bad(`bias [${layers}, ${d}] and ${layers} numbers of quality`, `bias [${bias.shape.join(", ")}]`);
    return new TunedLens(
      Array.from({ length: layers }, (_, l) => `${l}_pre`),
      weight,
      bias,
      quality,
    );
  }
}

/**
 * A translator applied to rows: x + x . weight + bias.
 *
 * @param x - [row, d_model], row-major.
 * @param weight - [d_in, d_out].
 * @param bias - [d_model].
 * @returns [row, d_model].
 */
export function translate(model: Model, x: Float32Array, weight: Float32Array, bias: Float32Array): Float32Array {
  const d = bias.length;
  const out = new Float32Array(x.length);
  model.core.matmul(x, weight, x.length / d, d, d, out);
  for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (x[i] as number) + (bias[i % d] as number);
  return out;
}
