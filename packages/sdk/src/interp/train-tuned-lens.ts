/** Trains the translators of a tuned lens: ridge regression onto the last layer, then steps down the KL divergence itself. */
import { type Model, permute, Tensor, type Tokens, TritlensError, toTokenRows } from "tritlens";
import { Adam, permutation, Readout, residualStream, ridge, TunedLens, translate, Work, type WorkOptions } from "tritlens/interp";

/** Options of {@link trainTunedLens}. */
export interface TunedLensOptions extends WorkOptions {
  /** Steps of Adam a layer (200); 0 leaves the regression onto the last layer's residual stream. */
  readonly steps?: number;
  /** Its step size at first (1e-3); it falls to 0. */
  readonly lr?: number;
  /** Positions a step (128). */
  readonly batchSize?: number;
  /** Penalty of the regression, see {@link ridge} (1e-2). */
  readonly l2?: number;
  /** Share of the examples that are kept aside (0.25): one half chooses among the states of training, the other half gives the quality. */
  readonly holdout?: number;
  /** Seed of the order of examples (0). */
  readonly seed?: number;
}

/** Rows of the residual stream of one layer, and of the last one at the same places. */
interface Rows {
  readonly x: Float32Array;
  readonly final: Float32Array;
}

/** A translator. */
interface Translator {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
}

/**
 * Trains a tuned lens on texts: for every layer an affine translator that minimises KL(final || layer). It starts from the regression of the last layer's residual stream,
 * takes Adam's steps, and keeps the best of identity, regression and all states of training on examples kept aside; so a layer is worse than with the logit lens only where
 * those examples mislead. The model is not changed; packed and quantised ones are read as they are.
 *
 * A step costs three products of `batchSize` x d_model x vocabulary; for a large vocabulary, `steps: 0` is the quick lens. The tuned lens (Belrose et al. 2023, arXiv
 * 2303.08112).
 *
 * @param tokens - Texts the model is used on, [example, pos]; at least 8 examples, better thousands of positions.
 * @throws E_RANGE for wrong options or too few examples; E_NONFINITE when logits or training are not finite; E_MODE as `logitLens`; E_ABORTED.
 */
export async function trainTunedLens(model: Model, tokens: Tokens, options: TunedLensOptions = {}): Promise<TunedLens> {
  const { steps = 200, holdout = 0.25, seed = 0 } = options;
  const { batch, pos } = toTokenRows(tokens);
  const kept = Math.max(2, Math.round(batch * holdout));
  require_("tokens", "at least 8 examples", batch >= 8, `${batch}`);
  require_("holdout", "a share that leaves examples to train on", holdout > 0 && kept < batch, String(holdout));
  require_("steps", "an integer of at least 0", Number.isInteger(steps) && steps >= 0, String(steps));
  const order = permutation(model.core, batch, { seed });
  const sets = [order.subarray(kept), order.subarray(0, kept >> 1), order.subarray(kept >> 1, kept)];
  const { stack, labels } = residualStream(model, tokens);
  const [layers, d] = [labels.length - 1, stack.shape[3] as number];
  const rowsOf = (layer: number, set: Int32Array): Float32Array => {
    const out = new Float32Array(set.length * pos * d);
    for (const [i, b] of set.entries()) out.set(stack.data.subarray((layer * batch + b) * pos * d, (layer * batch + b + 1) * pos * d), i * pos * d);
    return out;
  };
  const finals = sets.map((set) => rowsOf(layers, set));
  const trainer = new Trainer(model, options);
  const work = new Work("training of the lens", layers * (steps + 1), options);
  const [weight, bias] = [new Float32Array(layers * d * d), new Float32Array(layers * d)];
  const [before, after] = [new Float32Array(layers), new Float32Array(layers)];
  for (let l = 0; l < layers; l++) {
    const [fit, choose, test] = sets.map((set, i) => ({ x: rowsOf(l, set), final: finals[i] as Float32Array })) as [Rows, Rows, Rows];
    const best = await trainer.layer(fit, choose, work, l);
    weight.set(best.weight, l * d * d);
    bias.set(best.bias, l * d);
    before[l] = trainer.divergence(test, trainer.identity());
    after[l] = trainer.divergence(test, best);
  }
  const byLayer = (data: Float32Array): Tensor => Tensor.from(data, [layers], ["layer"]);
  return new TunedLens(
    labels.slice(0, layers),
    Tensor.from(weight, [layers, d, d], ["layer", "d_in", "d_out"]),
    Tensor.from(bias, [layers, d], ["layer", "d_model"]),
    { logitLens: byLayer(before), tunedLens: byLayer(after) },
  );
}

function require_(what: string, expected: string, ok: boolean, found: string): void {
  if (!ok) throw new TritlensError("E_RANGE", `wrong ${what}`, { expected, found });
}

/** What the layers share. */
class Trainer {
  readonly #model: Model;
  readonly #readout: Readout;
  /** The unembedding as [d_model, class], beside its rows. */
  readonly #columns: Float32Array;
  readonly #steps: number;
  readonly #lr: number;
  readonly #size: number;
  readonly #l2: number;
  readonly #seed: number;

  constructor(model: Model, { steps = 200, lr = 1e-3, batchSize = 128, l2 = 1e-2, seed = 0 }: TunedLensOptions) {
    require_("batchSize", "an integer of at least 1", Number.isInteger(batchSize) && batchSize >= 1, String(batchSize));
    require_("lr", "a positive number", lr > 0 && Number.isFinite(lr), String(lr));
    this.#model = model;
    this.#readout = new Readout(model);
    this.#columns = permute(this.#readout.rows, [this.#readout.classes, this.#readout.width], [1, 0]);
    [this.#steps, this.#lr, this.#size, this.#l2, this.#seed] = [steps, lr, batchSize, l2, seed];
  }

  identity(): Translator {
    const d = this.#readout.width;
    return { weight: new Float32Array(d * d), bias: new Float32Array(d) };
  }

  async layer(fit: Rows, choose: Rows, work: Work, layer: number): Promise<Translator> {
    let best = this.identity();
    let least = this.divergence(choose, best);
    const consider = (t: Translator): void => {
      const kl = this.divergence(choose, t);
      if (kl < least) [best, least] = [{ weight: t.weight.slice(), bias: t.bias.slice() }, kl];
    };
    const now = this.#regress(fit);
    consider(now);
    await work.done();
    const d = this.#readout.width;
    const [forWeight, forBias] = [new Adam(d * d, { lr: this.#lr }), new Adam(d, { lr: this.#lr })];
    const every = Math.max(1, Math.ceil(this.#steps / 8));
    for (const [step, rows] of this.#batches(fit, layer)) {
      const { weight, bias } = this.#gradient(rows, now);
      forWeight.update(now.weight, weight, 1 - step / this.#steps);
      forBias.update(now.bias, bias, 1 - step / this.#steps);
      if ((step + 1) % every === 0 || step === this.#steps - 1) consider(now);
      await work.done();
    }
    return best;
  }

  /** Mini-batches: the rows of all epochs in one endless row, each epoch in an order of its own. */
  *#batches({ x, final }: Rows, layer: number): Generator<[step: number, rows: Rows]> {
    const d = this.#readout.width;
    const n = x.length / d;
    const size = Math.min(n, this.#size);
    let [order, at, epoch]: [Int32Array, number, number] = [new Int32Array(0), 0, 0];
    for (let step = 0; step < this.#steps; step++) {
      if (at + size > order.length) [order, at] = [permutation(this.#model.core, n, { seed: this.#seed, stream: 1 + layer * 2 ** 20 + epoch++ }), 0];
      const pick = (from: Float32Array): Float32Array => {
        const out = new Float32Array(size * d);
        for (let i = 0; i < size; i++) out.set(from.subarray((order[at + i] as number) * d, ((order[at + i] as number) + 1) * d), i * d);
        return out;
      };
      yield [step, { x: pick(x), final: pick(final) }];
      at += size;
    }
  }

  /** x + x . W + b closest to the last layer's residual stream. */
  #regress({ x, final }: Rows): Translator {
    const d = this.#readout.width;
    const matrix = (data: Float32Array): Tensor => Tensor.from(data, [data.length / d, d], ["example", "feature"]);
    const rest = final.map((value, i) => value - (x[i] as number));
    const { weight, bias } = ridge(matrix(x), matrix(rest), { l2: this.#l2, core: this.#model.core });
    return { weight: weight.data, bias: bias.data };
  }

  /** Mean KL(final || translated), in parts that keep logits small. */
  divergence({ x, final }: Rows, t: Translator): number {
    const d = this.#readout.width;
    const n = x.length / d;
    let sum = 0;
    for (let from = 0; from < n; from += this.#size) {
      const to = Math.min(n, from + this.#size);
      const part = (rows: Float32Array): Float32Array => rows.subarray(from * d, to * d);
      sum += this.#compare(part(final), translate(this.#model, part(x), t.weight, t.bias)).kl;
    }
    if (Number.isFinite(sum)) return Math.max(0, sum / n);
    throw new TritlensError("E_NONFINITE", "the lens is not finite", { expected: "finite logits, and a smaller lr", found: String(sum) });
  }

  /** Sum over rows of KL(final || y), and its gradient with respect to the logits of y, [row, class]. */
  #compare(final: Float32Array, y: Float32Array): { kl: number; grad: Float32Array } {
    const { classes, width, bias } = this.#readout;
    const logits = (rows: Float32Array): Float32Array => {
      const n = rows.length / width;
      const out = new Float32Array(n * classes);
      this.#model.core.matmul(this.#readout.normalize(rows), this.#columns, n, width, classes, out);
      if (bias) for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (bias[i % classes] as number);
      return out;
    };
    const [p, q] = [logits(final), logits(y)];
    const weights = new Float32Array(classes);
    let kl = 0;
    for (let at = 0; at < p.length; at += classes) {
      const [rowP, rowQ] = [p.subarray(at, at + classes), q.subarray(at, at + classes)];
      const a = softmax(rowP, weights);
      for (let c = 0; c < classes; c++) kl += (weights[c] as number) * ((rowP[c] as number) - (rowQ[c] as number));
      // What p adds is kept in its place, for the gradient.
      rowP.set(weights);
      kl += softmax(rowQ, rowQ) - a;
      for (let c = 0; c < classes; c++) rowQ[c] = (rowQ[c] as number) - (rowP[c] as number);
    }
    return { kl, grad: q };
  }

  /** Gradient of the mean KL with respect to a translator. */
  #gradient({ x, final }: Rows, t: Translator): Translator {
    const { classes, width: d, rows } = this.#readout;
    const n = x.length / d;
    const y = translate(this.#model, x, t.weight, t.bias);
    const { grad } = this.#compare(final, y);
    const normed = new Float32Array(n * d);
    this.#model.core.matmul(grad, rows, n, classes, d, normed);
    const back = this.#readout.normalizeBack(y, normed).map((g) => g / n);
    const out = this.identity();
    this.#model.core.matmul(permute(x, [n, d], [1, 0]), back, d, n, d, out.weight);
    for (let i = 0; i < back.length; i++) out.bias[i % d] = (out.bias[i % d] as number) + (back[i] as number);
    return out;
  }
}

/** Probabilities of logits, into `out`, which may be the logits. @returns log of the sum of exponentials. */
function softmax(logits: Float32Array, out: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const z of logits) if (z > most) most = z;
  let sum = 0;
  for (let c = 0; c < logits.length; c++) {
    const e = Math.exp((logits[c] as number) - most);
    out[c] = e;
    sum += e;
  }
  for (let c = 0; c < out.length; c++) out[c] = (out[c] as number) / sum;
  return most + Math.log(sum);
}
