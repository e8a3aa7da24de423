/** Singular vectors of weights read as tokens (Millidge and Black 2022). */
import { type Model, Tensor, TritlensError } from "tritlens";
import { configOf, directionLogits, directionTokens, leadingSvd, ovCircuit, requireIndex, requireMlp, weightIfAny } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Which matrix: what a head copies, what neurons read, what they write. */
export type SingularKind = "OV" | "w_in" | "w_out";

/** Options of {@link SVDInterpreter.getSingularVectors}. */
export interface SingularVectorsOptions {
  /** Which block. */
  readonly layer: number;
  /** Which head; for `OV` only. */
  readonly head?: number;
  /** How many vectors (10). */
  readonly numVectors?: number;
}

/** The leading singular vectors of a matrix, in tokens. */
export class SingularVectors extends Result {
  /** Logits of each vector, [d_vocab, 1, vector] as in TransformerLens; the sign is such that the largest logit in absolute value is positive. */
  readonly logits: Tensor;
  /** The vectors, [vector, d_model], with the same signs. */
  readonly vectors: Tensor;
  /** Their singular values, falling, [vector]. */
  readonly S: Tensor;
  /** Which matrix, such as `OV of L1H3`. */
  readonly name: string;
  readonly #model: Model;

  constructor(model: Model, name: string, parts: { readonly logits: Tensor; readonly vectors: Tensor; readonly S: Tensor }) {
    super();
    this.logits = parts.logits;
    this.vectors = parts.vectors;
    this.S = parts.S;
    this.name = name;
    this.#model = model;
  }

  /** A column of tokens for each vector. @throws E_CLOSED when the model was disposed. */
  override chart(): Chart {
    const labels = Array.from({ length: this.vectors.shape[0] }, (_, i) => `${i} (${this.S.data[i].toPrecision(3)})`);
    const count = Math.min(10, this.logits.shape[0]);
    const tokens = directionTokens(this.#model, this.vectors, { count, labels }).chart();
    return { ...tokens, title: `Singular vectors of ${this.name}` };
  }
}

/**
 * Reads singular vectors of weights as tokens, as TransformerLens's class of this name does: right singular vectors (what the matrix writes to the residual stream, or reads
 * from it for `w_in`) times W_U.
 *
 * Not exact about models with a final norm, whose gain is left out, and no evidence by itself that a vector is used. The method is Millidge and Black's (2022).
 *
 * @example
 * ```ts
 * const ov = new SVDInterpreter(model).getSingularVectors("OV", { layer: 1, head: 3, numVectors: 5 });
 * console.log(ov);      // tokens
 * ov.logits;            // [d_vocab, 1, 5]
 * ```
 */
export class SVDInterpreter {
  /** The model that is looked at. */
  readonly model: Model;

  constructor(model: Model) {
    this.model = model;
  }

  /**
   * The singular vectors of one matrix with the largest singular values.
   *
   * @returns `logits` [d_vocab, 1, vector], `vectors` [vector, d_model], `S` [vector].
   * @throws E_RANGE for layers, heads or numbers of vectors that do not exist, E_MODE without MLPs, E_NAME for another kind, E_SPEC for a model of a bare Spec.
   */
  getSingularVectors(kind: SingularKind, { layer, head, numVectors = 10 }: SingularVectorsOptions): SingularVectors {
    const { model } = this;
    const { dModel: d, dVocabOut, nLayers, nHeads } = configOf(model);
    requireIndex("layer", layer, nLayers);
    if (kind === "OV") requireIndex("head", head ?? -1, nHeads);
    const { v, s, k } = kind === "OV" ? headVectors(model, layer, head as number, numVectors) : mlpVectors(model, kind, layer, numVectors);
    const vectors = Tensor.from(
      Float32Array.from({ length: numVectors * d }, (_, i) => v[(i % d) * k + Math.floor(i / d)]),
      [numVectors, d],
      ["vector", "d_model"],
    );
    const logits = new Float32Array(dVocabOut * numVectors);
    for (const part of directionLogits(model, vectors)) logits.set(part.logits, part.first * numVectors);
    for (let c = 0; c < numVectors; c++) turn(logits, vectors.data.subarray(c * d, (c + 1) * d), c, numVectors);
    const name = kind === "OV" ? `OV of L${layer}H${head}` : `${kind} of layer ${layer}`;
    return new SingularVectors(model, name, {
      logits: Tensor.from(logits, [dVocabOut, 1, numVectors], ["d_vocab", "one", "vector"]),
      vectors,
      S: Tensor.from(Float32Array.from(s.subarray(0, numVectors)), [numVectors], ["vector"]),
    });
  }
}

function headVectors(model: Model, layer: number, head: number, count: number): RightVectors {
  const { Vh, S } = ovCircuit(model, { layers: [layer] })
    .index(0, head)
    .svd();
  const k = S.size;
  if (Number.isInteger(count) && count >= 1 && count <= k) return { v: Vh.data, s: S.data, k };
  throw new TritlensError("E_RANGE", "the matrix does not have that many singular vectors", { expected: `1 to ${k}`, found: String(count) });
}

function mlpVectors(model: Model, kind: SingularKind, layer: number, count: number): RightVectors {
  const { dMlp, dModel } = requireMlp(model);
  if (kind === "w_out") return leadingSvd(model.dequantize(`blocks.${layer}.mlp.W_out`).data, dMlp, dModel, count);
  if (kind !== "w_in") throw new TritlensError("E_NAME", "unknown kind of singular vectors", { expected: "OV, w_in or w_out", found: String(kind) });
  // The core's layout is [d_mlp, d_model]; what neurons read is scaled by the gain of the norm before them.
  const gain = weightIfAny(model, `blocks.${layer}.ln2.w`)?.data;
  const rows = model.readParam(`blocks.${layer}.mlp.W_in`, { effective: true }).data;
  return leadingSvd(gain ? rows.map((x, i) => x * gain[i % dModel]) : rows, dMlp, dModel, count);
}

/** Right singular vectors as columns [d_model, k], and singular values. */
interface RightVectors {
  readonly v: Float32Array | Float64Array;
  readonly s: Float32Array | Float64Array;
  readonly k: number;
}

/** Makes the largest logit of vector c positive. */
function turn(logits: Float32Array, vector: Float32Array, c: number, count: number): void {
  let top = 0;
  for (let i = c; i < logits.length; i += count) if (Math.abs(logits[i]) > Math.abs(top)) top = logits[i];
  if (top >= 0) return;
  for (let i = c; i < logits.length; i += count) logits[i] = -logits[i];
  for (let i = 0; i < vector.length; i++) vector[i] = -vector[i];
}
