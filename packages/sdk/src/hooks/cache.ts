/** Activations kept from one run. */
import { unknownName } from "../core/errors.ts";
import type { Tensor } from "../tensor/index.ts";
import { canonicalName } from "./select.ts";

/** Suffix of the keys that hold gradients. */
export const GRAD = "_grad";

/**
 * Activations by name, gradients under the name with `_grad`. All tensors are copies: they stay valid after the model is disposed.
 *
 * @example
 * ```ts
 * const { cache } = model.runWithCache([[1, 2, 5]], { names: "blocks.*.attn.hook_pattern" });
 * cache.get("blocks.0.attn.hook_pattern");  // [batch, head, query, key]
 * ```
 */
export class ActivationCache {
  readonly #tensors: Map<string, Tensor>;

  constructor(tensors: Map<string, Tensor>) {
    this.#tensors = tensors;
  }

  /** One activation; aliases and shorthands work as in hooks. @throws E_NAME with the nearest names that are in the cache. */
  get(name: string): Tensor {
    const found = this.#tensors.get(this.#key(name));
    if (found) return found;
    throw unknownName("cached activation", name, this.#tensors.keys());
  }

  /** Whether an activation was kept. */
  has(name: string): boolean {
    return this.#tensors.has(this.#key(name));
  }

  /** Canonical names, in the order in which they fired. */
  keys(): string[] {
    return [...this.#tensors.keys()];
  }

  /** Names and tensors. */
  entries(): [string, Tensor][] {
    return [...this.#tensors];
  }

  /** Number of tensors. */
  get size(): number {
    return this.#tensors.size;
  }

  #key(name: string): string {
    const grad = name.endsWith(GRAD) ? GRAD : "";
    const base = grad ? name.slice(0, -GRAD.length) : name;
    return canonicalName(base, (n) => this.#tensors.has(n + grad)) + grad;
  }
}
