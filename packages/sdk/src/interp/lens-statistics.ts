/** What a lens says of logits, gathered while the vocabulary goes by in pieces: no more than one piece of the logits exists at a time. */
import { permute } from "tritlens";
import { type Readout, Work, type WorkOptions } from "tritlens/interp";

/** Statistics of the distributions that rows of the residual stream have when they are read out. Row-major over rows. */
export interface LensStatistics {
  /** Most likely classes, most likely first, [row, k]; the lowest of equals. */
  readonly top: Int32Array;
  /** Their log probabilities, [row, k]. */
  readonly topLogProbs: Float32Array;
  /** Entropy in nats, [row]. */
  readonly entropy: Float32Array;
  /** KL divergence of the row from its reference, KL(reference || row) in nats, [row]. */
  readonly kl: Float32Array;
  /** How many classes are more likely than the tracked ones, [row, tracked]. */
  readonly ranks: Int32Array;
  /** Log probabilities of the tracked classes, [row, tracked]. */
  readonly trackedLogProbs: Float32Array;
}

/** What {@link lensStatistics} looks at. */
export interface LensQuestion extends WorkOptions {
  /** Rows of the residual stream, [row, d_model], before the final norm. */
  readonly rows: Float32Array;
  /** The row that each row is compared with, [row]: the last layer's of the same position. */
  readonly references: Int32Array;
  /** Classes to follow, [row, tracked]. */
  readonly tracked: Int32Array;
  /** How many of the most likely classes to keep. */
  readonly topK: number;
  /** Most bytes of logits at a time. */
  readonly chunkBytes: number;
}

/**
 * Reads rows of the residual stream out, in pieces of the vocabulary. Logits of at most one piece are held, [class, row].
 *
 * @throws E_ABORTED, E_RANGE for a class that does not exist.
 */
export async function lensStatistics(readout: Readout, question: LensQuestion): Promise<LensStatistics> {
  const { rows, references, topK, chunkBytes } = question;
  const { width, classes } = readout;
  const n = rows.length / width;
  const columns = permute(readout.normalize(rows), [n, width], [1, 0]);
  const gather = new Gather(n, Math.min(topK, classes), references, question.tracked, trackedLogits(readout, columns, question.tracked, n));
  const chunk = Math.max(1, Math.floor(chunkBytes / (4 * n)));
  const work = new Work("the lens", Math.ceil(classes / chunk), question);
  for (let from = 0; from < classes; from += chunk) {
    gather.add(readout.logits(columns, from, Math.min(classes, from + chunk)), from);
    await work.done();
  }
  return gather.finish();
}

/** Logits [row, tracked] of the classes that each row follows. */
function trackedLogits(readout: Readout, columns: Float32Array, tracked: Int32Array, n: number): Float32Array {
  const each = tracked.length / n;
  const classes = [...new Set(tracked)];
  const logits = readout.logitsOf(columns, classes);
  const place = new Map(classes.map((c, i) => [c, i]));
  return Float32Array.from(tracked, (c, i) => logits[(place.get(c) as number) * n + Math.floor(i / each)] as number);
}

/** Running sums over classes. Exponentials are relative to the largest logit so far. */
class Gather {
  readonly #n: number;
  readonly #k: number;
  readonly #references: Int32Array;
  readonly #tracked: Int32Array;
  readonly #trackedLogits: Float32Array;
  readonly #ranks: Int32Array;
  readonly #top: Int32Array;
  readonly #topLogits: Float64Array;
  readonly #most: Float64Array;
  readonly #sum: Float64Array;
  /** Sum of e^z z. */
  readonly #weighted: Float64Array;
  /** Sum of e^(reference) (reference - z), relative to the reference's largest logit. */
  readonly #cross: Float64Array;

  constructor(n: number, k: number, references: Int32Array, tracked: Int32Array, trackedLogits: Float32Array) {
    this.#n = n;
    this.#k = k;
    this.#references = references;
    this.#tracked = tracked;
    this.#trackedLogits = trackedLogits;
    this.#ranks = new Int32Array(tracked.length);
    this.#top = new Int32Array(n * k).fill(-1);
    this.#topLogits = new Float64Array(n * k).fill(Number.NEGATIVE_INFINITY);
    this.#most = new Float64Array(n).fill(Number.NEGATIVE_INFINITY);
    this.#sum = new Float64Array(n);
    this.#weighted = new Float64Array(n);
    this.#cross = new Float64Array(n);
  }

  /** Logits [class, row] of the classes from `first` on. */
  add(logits: Float32Array, first: number): void {
    const n = this.#n;
    this.#raise(logits);
    // Of one class: every row's exponential is needed by the rows that refer to it as well.
    const e = new Float64Array(n);
    for (let at = 0, c = first; at < logits.length; at += n, c++) {
      for (let i = 0; i < n; i++) e[i] = Math.exp((logits[at + i] as number) - (this.#most[i] as number));
      for (let i = 0; i < n; i++) {
        const z = logits[at + i] as number;
        this.#sum[i] = (this.#sum[i] as number) + (e[i] as number);
        this.#weighted[i] = (this.#weighted[i] as number) + (e[i] as number) * z;
        const r = this.#references[i] as number;
        this.#cross[i] = (this.#cross[i] as number) + (e[r] as number) * ((logits[at + r] as number) - z);
        if (z > (this.#topLogits[(i + 1) * this.#k - 1] as number)) this.#insert(i, c, z);
        this.#rank(i, c, z);
      }
    }
  }

  /** Moves the sums to the largest logits of this piece. */
  #raise(logits: Float32Array): void {
    const n = this.#n;
    const most = this.#most.slice();
    for (let at = 0; at < logits.length; at += n)
      for (let i = 0; i < n; i++) if ((logits[at + i] as number) > (most[i] as number)) most[i] = logits[at + i] as number;
    const factor = most.map((m, i) => (m === (this.#most[i] as number) ? 1 : Math.exp((this.#most[i] as number) - m)));
    for (let i = 0; i < n; i++) {
      this.#sum[i] = (this.#sum[i] as number) * (factor[i] as number);
      this.#weighted[i] = (this.#weighted[i] as number) * (factor[i] as number);
      this.#cross[i] = (this.#cross[i] as number) * (factor[this.#references[i] as number] as number);
    }
    this.#most.set(most);
  }

  #insert(i: number, c: number, z: number): void {
    let at = (i + 1) * this.#k - 1;
    for (; at > i * this.#k && z > (this.#topLogits[at - 1] as number); at--) {
      this.#topLogits[at] = this.#topLogits[at - 1] as number;
      this.#top[at] = this.#top[at - 1] as number;
    }
    this.#topLogits[at] = z;
    this.#top[at] = c;
  }

  #rank(i: number, c: number, z: number): void {
    const each = this.#tracked.length / this.#n;
    for (let at = i * each; at < (i + 1) * each; at++) {
      const [t, own] = [this.#trackedLogits[at] as number, this.#tracked[at] as number];
      if (c !== own && (z > t || (z === t && c < own))) this.#ranks[at] = (this.#ranks[at] as number) + 1;
    }
  }

  finish(): LensStatistics {
    const norm = this.#most.map((m, i) => m + Math.log(this.#sum[i] as number));
    const each = this.#tracked.length / this.#n;
    const kl = Float32Array.from(norm, (lse, i) => {
      const r = this.#references[i] as number;
      // Rounding can leave a little less than nothing.
      return r === i ? 0 : Math.max(0, (this.#cross[i] as number) / (this.#sum[r] as number) - (norm[r] as number) + lse);
    });
    return {
      top: this.#top,
      topLogProbs: Float32Array.from(this.#topLogits, (z, at) => z - (norm[Math.floor(at / this.#k)] as number)),
      entropy: Float32Array.from(norm, (lse, i) => lse - (this.#weighted[i] as number) / (this.#sum[i] as number)),
      kl,
      ranks: this.#ranks,
      trackedLogProbs: Float32Array.from(this.#trackedLogits, (z, at) => z - (norm[Math.floor(at / each)] as number)),
    };
  }
}
