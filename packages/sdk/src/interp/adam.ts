/** Adam for a few numbers in JavaScript: translators and rotations. Models are trained by {@link train}. */

/** Options of {@link Adam}. */
export interface AdamOptions {
  /** Step size (1e-3). */
  readonly lr?: number;
  /** Decay of the first and second moments (0.9, 0.999). */
  readonly betas?: readonly [number, number];
}

/**
 * Adam (Kingma and Ba 2015, arXiv 1412.6980) over one flat array, without weight decay.
 *
 * For some thousands of numbers that are fitted beside a model, in JavaScript. Not for a model's own parameters: `train` does those in the core.
 */
export class Adam {
  readonly #lr: number;
  readonly #betas: readonly [number, number];
  readonly #m: Float64Array;
  readonly #v: Float64Array;
  #step = 0;

  /** @param size - Length of the array. */
  constructor(size: number, { lr = 1e-3, betas = [0.9, 0.999] }: AdamOptions = {}) {
    this.#lr = lr;
    this.#betas = betas;
    this.#m = new Float64Array(size);
    this.#v = new Float64Array(size);
  }

  /**
   * Takes one step down the gradient, in place.
   *
   * @param x - The numbers, as many as `size`.
   * @param grad - Their gradient, in the same order.
   * @param scale - Factor of the step size, for schedules.
   */
  update(x: Float32Array | Float64Array, grad: Float32Array | Float64Array, scale = 1): void {
    const [b1, b2] = this.#betas;
    this.#step++;
    const [c1, c2] = [1 - b1 ** this.#step, 1 - b2 ** this.#step];
    for (let i = 0; i < x.length; i++) {
      const g = grad[i] as number;
      const m = b1 * (this.#m[i] as number) + (1 - b1) * g;
      const v = b2 * (this.#v[i] as number) + (1 - b2) * g * g;
      this.#m[i] = m;
      this.#v[i] = v;
      x[i] = (x[i] as number) - (scale * this.#lr * (m / c1)) / (Math.sqrt(v / c2) + 1e-8);
    }
  }
}
