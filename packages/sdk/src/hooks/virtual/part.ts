/** What virtual activations are made of: a model's configuration, its weights as they are now, and where its sites are. */
import type { Core } from "../../core/core.ts";
import type { Normalization, TransformerConfig } from "../../models/index.ts";
import type { Weights } from "../weights.ts";
import { centers, type NormStep } from "./norm.ts";

/** What every virtual activation of a model needs at hand. */
export class ModelParts {
  readonly core: Core;
  readonly config: TransformerConfig;
  readonly #weights: () => Weights;
  readonly #site: ReadonlyMap<string, number>;

  constructor(core: Core, config: TransformerConfig, names: readonly string[], weights: () => Weights) {
    this.core = core;
    this.config = config;
    this.#site = new Map(names.map((name, i) => [name, i]));
    this.#weights = weights;
  }

  /** Index of a core site, undefined where the model lacks it. */
  site(name: string): number | undefined {
    return this.#site.get(name);
  }

  /** As {@link read}, undefined where the model has no such parameter. */
  find(name: string): Float32Array | undefined {
    return this.#weights().names().includes(name) ? this.read(name) : undefined;
  }

  /** What the forward pass multiplies with, in the core's layout ([out, in]). */
  read(name: string): Float32Array {
    return this.#weights().read(name, { effective: true }).data;
  }

  /** Whether the input of a matrix is quantised. */
  int8(weight: string): boolean {
    return this.config.actQuant === "int8" && !this.config.plainMatrices.includes(weight);
  }

  /** Whether a matrix has an RMS norm of its own before it. */
  ownNorm(weight: string): boolean {
    return this.config.linearNorm && !this.config.plainMatrices.includes(weight);
  }

  /** A norm inside a block; `none` is no step. `toSite` leaves out the gain of RMS norms, which stands behind hook_normalized. */
  norm(at: string, kind: Normalization, eps: number, toSite = false): NormStep[] {
    if (kind === "none") return [];
    const gain = kind === "LN" || (kind === "RMS" && !toSite);
    return [
      {
        center: centers(kind),
        eps,
        ...(gain ? { w: this.read(`${at}w`) } : {}),
        ...(kind === "LN" ? { b: this.read(`${at}b`) } : {}),
      },
    ];
  }

  /** c[m, n] = a[m, k] . b[k, n]. */
  matmul(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
    const out = new Float32Array(m * n);
    this.core.matmul(a, b, m, k, n, out);
    return out;
  }
}
