/** Builds a {@link Spec} node by node, so that a model reads as its forward pass. */
import { TritlensError } from "../core/errors.ts";
import type { NodeRef, NodeSpec, ParamRef } from "./nodes.ts";
import type { Init, ParamSpec, Quantizer, SiteDim, SiteSpec, Spec } from "./spec.ts";

/**
 * Collects parameters, nodes and sites. Every method returns the index of what it added.
 *
 * @example
 * ```ts
 * const b = new SpecBuilder(12, 3);
 * const w = b.param("W", [4, 8], { kind: "uniform", bound: 0.3 }, "ternary");
 * const x = b.site("hook_embed", b.node({ op: "embed", w: b.param("embed.W_E", [12, 8], { kind: "normal", std: 1 }) }), ["batch", "seq", 8]);
 * const spec = b.build(b.node({ op: "linear", in: [x], w, b: null }));
 * ```
 */
export class SpecBuilder {
  readonly #vocab: number;
  readonly #ctx: number;
  readonly #params: ParamSpec[] = [];
  readonly #nodes: NodeSpec[] = [];
  readonly #sites: SiteSpec[] = [];
  /** Names that are taken: models of other programs have thousands. */
  readonly #paramNames: Map<string, ParamRef> = new Map();
  readonly #siteNames: Set<string> = new Set();

  constructor(vocab: number, ctx: number) {
    this.#vocab = vocab;
    this.#ctx = ctx;
  }

  /** Adds a parameter. @throws E_SPEC when the name is taken. */
  param(name: string, shape: readonly number[], init: Init, quant: Quantizer = "none"): ParamRef {
    return this.#add({ name, shape, init, quant });
  }

  /** Adds a matrix that stays as a checkpoint has it. @throws E_SPEC when the name is taken. */
  stored(name: string, shape: readonly [rows: number, cols: number]): ParamRef {
    return this.#add({ name, shape, init: { kind: "constant", value: 0 }, quant: "none", stored: true });
  }

  #add(param: ParamSpec): ParamRef {
    if (this.#paramNames.has(param.name)) throw new TritlensError("E_SPEC", `parameter "${param.name}" exists already`);
    this.#paramNames.set(param.name, this.#params.length);
    return this.#params.push(param) - 1;
  }

  /** Index of a parameter added before, or undefined. */
  find(name: string): ParamRef | undefined {
    return this.#paramNames.get(name);
  }

  /** Adds a node. @throws E_SPEC when it reads a node that does not stand before it. */
  node(node: NodeSpec): NodeRef {
    const inputs = "in" in node ? node.in : [];
    const bad = inputs.find((i) => !Number.isInteger(i) || i < 0 || i >= this.#nodes.length);
    if (bad !== undefined) {
      throw new TritlensError("E_SPEC", `node ${this.#nodes.length} (${node.op}) reads node ${bad}`, {
        expected: `an index below ${this.#nodes.length}`,
        found: String(bad),
      });
    }
    return this.#nodes.push(node) - 1;
  }

  /** Names a node's output and returns the node, so that calls can be nested. @throws E_SPEC when the name is taken. */
  site(name: string, node: NodeRef, shape: readonly SiteDim[]): NodeRef {
    if (this.#siteNames.has(name)) throw new TritlensError("E_SPEC", `site "${name}" exists already`);
    this.#siteNames.add(name);
    this.#sites.push({ name, node, shape });
    return node;
  }

  /** The finished Spec with its output node. */
  build(output: NodeRef): Spec {
    return { vocab: this.#vocab, ctx: this.#ctx, params: this.#params, nodes: this.#nodes, sites: this.#sites, output };
  }
}
