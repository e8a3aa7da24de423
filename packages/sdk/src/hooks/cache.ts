/** Activations kept from one run, and what they add up to. */
import { TritlensError, unknownName } from "../core/errors.ts";
import type { SourceInput } from "../io/index.ts";
import { getActName } from "../spec/index.ts";
import { stack, type Tensor } from "../tensor/index.ts";
import type { CacheSaveOptions, CacheTarget } from "./cache/file.ts";
import { stackHeads } from "./cache/heads.ts";
import { type ApplyLnOptions, applyLn, normed } from "./cache/ln.ts";
import { type LogitAttrOptions, type LogitLensOptions, logitAttrs, logitLens } from "./cache/logits.ts";
import { type NeuronOptions, type NeuronStackOptions, neuronResults, stackNeurons } from "./cache/neurons.ts";
import type { StackOptions } from "./cache/remainder.ts";
import {
  type AccumulatedOptions,
  accumulated,
  type DecomposeOptions,
  decompose,
  type FullDecompositionOptions,
  fullDecomposition,
} from "./cache/residual.ts";
import { type CacheSlice, sliceTensors, withoutBatch } from "./cache/slice.ts";
import { type CacheSource, workOut } from "./cache/source.ts";
import { ResidualStack } from "./cache/stack.ts";
import { type CacheView, layerOf } from "./cache/view.ts";
import type { Model } from "./model.ts";
import { canonicalName } from "./select.ts";
import { cacheText, shownAs } from "./show.ts";

/** Suffix of the keys that hold gradients. */
export const GRAD = "_grad";

/**
 * Activations by name, gradients under the name with `_grad`. All tensors are copies: they stay valid after the model is disposed.
 *
 * The verbs that take the residual stream apart are TransformerLens's, with its labels and shapes. They read what the cache holds (E_NAME names what is missing) and, where
 * they need weights, the model as it is then: E_CLOSED after it was disposed, E_MODE for a cache without a model. `layer` is the block whose input is taken apart: 0 to
 * the number of blocks, -1 (and nothing) for the stream into the unembedding.
 *
 * @example
 * ```ts
 * const { cache } = model.runWithCache([[1, 2, 5]]);
 * cache.get("blocks.0.attn.hook_pattern");                                     // [batch, head, query, key]
 * const heads = cache.stackHeadResults(-1, { posSlice: -1 });                  // [component, batch, d_model], L0H0 ...
 * console.log(cache.logitAttrs(heads, { tokens: 5, posSlice: -1 }));           // what each head adds to the logit of token 5
 * ```
 */
export class ActivationCache {
  readonly #tensors: Map<string, Tensor>;
  readonly #source: CacheSource | undefined;
  readonly #view: CacheView;

  /** A cache of any tensors, which does not know a model. */
  constructor(tensors: Map<string, Tensor>);
  /** @internal */
  constructor(tensors: Map<string, Tensor>, source: CacheSource | undefined);
  constructor(tensors: Map<string, Tensor>, source?: CacheSource) {
    this.#tensors = tensors;
    this.#source = source;
    this.#view = {
      get: (name) => this.get(name),
      nameOf: (site) => source?.space.core[site] as string,
      parts: () => {
        if (source?.parts) return source.parts;
        throw new TritlensError("E_MODE", "the cache does not know the model it came from, or the model has no config", {
          expected: "a cache of runWithCache of a model with a config, or ActivationCache.load(file, { model })",
          found: source ? "a model from a bare Spec" : "tensors alone",
        });
      },
    };
  }

  /**
   * One activation; aliases and shorthands work as in hooks. Activations that no node of the model holds (`attn.hook_result`, `hook_q_input`, ...) are worked out when what
   * they come from is here.
   *
   * @throws E_NAME with the nearest names that are in the cache.
   */
  get(name: string): Tensor {
    const found = this.#tensors.get(this.#key(name)) ?? (this.#source && workOut(this.#source, this.#tensors, name));
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

  /**
   * Other tensors of the same model.
   *
   * @internal
   */
  withTensors(tensors: Map<string, Tensor>): ActivationCache {
    return new ActivationCache(tensors, this.#source);
  }

  /** Bytes of all tensors. A run is held to a number of bytes with `budgetBytes` of `runWithCache`. */
  get bytes(): number {
    return [...this.#tensors.values()].reduce((n, t) => n + t.data.byteLength, 0);
  }

  /** Part of the cache: some names, layers, positions, examples. Tensors that are kept whole are shared. @throws E_NAME, E_RANGE. */
  slice(part: CacheSlice): ActivationCache {
    return this.withTensors(sliceTensors(this.#tensors, GRAD, part));
  }

  /** The cache of one example without its batch axis. @throws E_SHAPE when there are several. */
  removeBatchDim(): ActivationCache {
    return this.withTensors(withoutBatch(this.#tensors));
  }

  /**
   * The residual stream as it grew, [component, batch, pos, d_model]: `0_pre`, `1_pre`, ..., `final_post`, with `inclMid` also `0_mid`, ...
   *
   * @param layer - Up to the input of this block.
   * @throws E_NAME, E_RANGE.
   */
  accumulatedResid(layer?: number, options: AccumulatedOptions = {}): ResidualStack {
    return accumulated(this.#view, layer, options);
  }

  /**
   * What was added to the residual stream before a block, [component, batch, pos, d_model]: `embed`, `pos_embed`, `0_attn_out`, `0_mlp_out`, ... Their sum is the block's input.
   *
   * @param layer - Up to the input of this block.
   * @throws E_NAME, E_RANGE.
   */
  decomposeResid(layer?: number, options: DecomposeOptions = {}): ResidualStack {
    return decompose(this.#view, layer, options);
  }

  /** The stream into a block as embeddings, heads, neurons (or MLPs) and the biases of all of them: `L0H0`, `L0N0`, `embed`, `pos_embed`, `bias`. Takes much memory with neurons. @throws E_MEMORY beyond `budgetBytes` (1 GiB), E_NAME, E_RANGE. */
  getFullResidDecomposition(layer?: number, options: FullDecompositionOptions = {}): ResidualStack {
    return fullDecomposition(this.#view, layer, options);
  }

  /** What each head of the blocks before `layer` adds to the stream, [component, batch, pos, d_model]: `L0H0`, `L0H1`, ... Without the bias b_O. @throws E_NAME, E_RANGE. */
  stackHeadResults(layer?: number, options: StackOptions = {}): ResidualStack {
    return stackHeads(this.#view, layer, options);
  }

  /** Puts `attn.hook_result` of every block into the cache, worked out from what W_O reads. @throws E_NAME where that is not here. */
  computeHeadResults(): void {
    const { nLayers } = this.#view.parts().config;
    const names = Array.from({ length: nLayers }, (_, l) => `blocks.${l}.attn.hook_result`);
    for (const [name, tensor] of names.map((n) => [n, this.get(n)] as const)) this.#tensors.set(name, tensor);
  }

  /** What each neuron of a block adds to the stream, [batch, pos, neuron, d_model]: its activation times its row of W_out. @throws E_MODE without MLPs, E_RANGE, E_MEMORY. */
  getNeuronResults(layer: number, options: NeuronOptions = {}): Tensor {
    return neuronResults(this.#view, layer, options);
  }

  /** What each neuron of the blocks before `layer` adds to the stream, [component, batch, pos, d_model]: `L0N0`, ... @throws E_MEMORY beyond `budgetBytes` (1 GiB), E_MODE, E_RANGE. */
  stackNeuronResults(layer?: number, options: NeuronStackOptions = {}): ResidualStack {
    return stackNeurons(this.#view, layer, options);
  }

  /** An activation of all blocks before `layer`, [layer, ...]: `stackActivation("z")`. @throws E_NAME, E_RANGE. */
  stackActivation(name: string, layer?: number, layerType?: string): Tensor {
    const to = layerOf(this.#view, layer);
    const tensors = Array.from({ length: to }, (_, l) => this.get(getActName(name, l, layerType)));
    return stack(tensors, "layer");
  }

  /**
   * Parts of the stream as the norm before a block sees them: centred (LayerNorm) and divided by the scale of the whole stream, so that they still sum to what
   * the norm gives. Gains and biases of the norm are left out, as in TransformerLens: fold them into the weights first (`foldLn`), where that is possible.
   *
   * @param layer - The block whose norm it is; -1 for the final norm.
   * @throws E_SHAPE for a stack that was cut to other positions than `posSlice`, E_NAME, E_RANGE.
   */
  applyLnToStack(stack: ResidualStack, layer?: number, options?: ApplyLnOptions): ResidualStack;
  applyLnToStack(stack: Tensor, layer?: number, options?: ApplyLnOptions): Tensor;
  applyLnToStack(stack: ResidualStack | Tensor, layer?: number, options: ApplyLnOptions = {}): ResidualStack | Tensor {
    return stack instanceof ResidualStack ? normed(this.#view, stack, layer, options) : applyLn(this.#view, stack, layer, options);
  }

  /**
   * What each component adds to the logit of a token, or to the difference of two (direct logit attribution), [component, batch, pos]: its product with a column of W_U,
   * behind the final norm's scale as {@link applyLnToStack} applies it.
   *
   * @param stack - Of the stream into the unembedding.
   * @throws E_RANGE for tokens outside the vocabulary, E_SHAPE for tokens that do not fit the stack.
   */
  logitAttrs(stack: ResidualStack | Tensor, options: LogitAttrOptions): ResidualStack {
    return logitAttrs(this.#view, stack, options);
  }

  /**
   * The logits that the model would give if it stopped at each layer, [component, batch, pos, class] (nostalgebraist 2020): the stream through the final norm, with
   * its gain and bias, and W_U. The last component is the model's own logits. For large vocabularies name `classes`, or use `logitLens` of tritlens/interp.
   *
   * @throws E_NAME, E_RANGE, E_MEMORY.
   */
  logitLens(options: LogitLensOptions = {}): ResidualStack {
    return logitLens(this.#view, options);
  }

  /**
   * Writes the cache: one safetensors file, or a folder of `.npy` files that `numpy.load` reads, with names of axes and their order beside them.
   *
   * @param target - A path, or a function that gives a sink for each file (in a browser).
   * @example
   * ```ts
   * await cache.save("run.safetensors");
   * const same = await ActivationCache.load("run.safetensors", { model });
   * ```
   * @throws E_IO, E_ABORTED, E_NAME for another format, or a name that `.npy` files cannot have. Nothing half written stays behind.
   */
  async save(target: CacheTarget, options: CacheSaveOptions = {}): Promise<void> {
    const { saveCache } = await import("./cache/file.ts");
    await saveCache(this.#tensors, target, options);
  }

  /**
   * Reads what {@link save} wrote, from a path, URL, Blob, bytes or list of files; also any other safetensors file, whose axes are then numbered and which the verbs cannot take apart.
   *
   * @param options - `model` is the one that the activations came from: the verbs that need weights read them there.
   * @throws E_FORMAT for malformed files, E_IO, E_ABORTED.
   */
  static async load(
    input: SourceInput | readonly SourceInput[],
    { model, signal }: { readonly model?: Model; readonly signal?: AbortSignal } = {},
  ): Promise<ActivationCache> {
    const { loadCache } = await import("./cache/file.ts");
    return new ActivationCache(await loadCache(input, { signal }), model?.cacheSource);
  }

  #key(name: string): string {
    const grad = name.endsWith(GRAD) ? GRAD : "";
    const base = grad ? name.slice(0, -GRAD.length) : name;
    return canonicalName(base, (n) => this.#tensors.has(n + grad)) + grad;
  }
}

shownAs(ActivationCache.prototype, (cache) => cacheText(cache.entries(), cache.bytes));
