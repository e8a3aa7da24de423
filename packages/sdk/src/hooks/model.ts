/// <reference lib="esnext.disposable" preserve="true" />
/** A model: a compiled Spec with its parameters, and the calls that run it with caches and hooks. */
import type { Core, ProgramHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { defaultCore } from "../core/load.ts";
import { type TransformerConfig, type TransformerOptions, transformerConfig, transformerSpec } from "../models/index.ts";
import type { Quantizer, Spec } from "../spec/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { ActivationCache } from "./cache.ts";
import { driveAsync, driveSync } from "./drive.ts";
import { requireLoss } from "./loss.ts";
import type { AsyncRunOptions, CachedRun, CacheOptions, ModelOptions, RunOptions, SpecOptions } from "./options.ts";
import { makePlan } from "./plan.ts";
import { Runner } from "./runner.ts";
import { selectSites } from "./select.ts";
import { Session, type SessionOptions } from "./session.ts";
import { type Tokens, toTokenRows } from "./tokens.ts";
import { type WeightCodes, type WeightOptions, Weights } from "./weights.ts";

/** Frees programs of models that were dropped without `dispose()`. A backstop: when it runs is up to the garbage collector. */
const backstop = new FinalizationRegistry<{ core: Core; program: ProgramHandle }>(({ core, program }) => {
  try {
    core.closeProgram(program);
  } catch {
    // The instance behind it may be gone as well; nobody is left to tell.
  }
});

/**
 * A model and the ways to run it. Hooks belong to a call and end with it, also when they throw; nothing has to be reset.
 *
 * @example
 * ```ts
 * await loadCore();
 * const model = Model.fromConfig(liConfig({ p: 113, mode: "li_ternary" }), { seed: 0 });
 * const { logits, cache } = model.runWithCache([[3, 5, 113]], { names: "blocks.0.mlp.hook_post" });
 * const ablated = model.runWithHooks([[3, 5, 113]], { hooks: [["blocks.0.attn.hook_z", { kind: "zero", at: { head: 0 } }]] });
 * model.dispose();
 * ```
 */
export class Model {
  /** The core the model runs on. */
  readonly core: Core;
  /** The graph the model was compiled from. */
  readonly spec: Spec;
  /** The configuration, when the model was made from one. */
  readonly config: TransformerConfig | undefined;
  /** Names of all activations, in firing order. */
  readonly siteNames: readonly string[];
  /** Number of blocks. */
  readonly layers: number;
  readonly #program: ProgramHandle;
  readonly #weights: Weights;
  readonly #runner: Runner;
  #closed = false;

  private constructor(spec: Spec, config: TransformerConfig | undefined, { core = defaultCore(), seed = 0 }: ModelOptions) {
    requireSeed(seed);
    this.core = core;
    this.spec = spec;
    this.config = config;
    this.#runner = new Runner(core, () => this.program, spec);
    this.siteNames = this.#runner.names;
    this.layers = this.#runner.layers;
    this.#program = core.compile(JSON.stringify(spec));
    core.init(this.#program, seed);
    this.#weights = new Weights(core, this.#program, core.describe(this.#program).params, config);
    backstop.register(this, { core, program: this.#program }, this);
  }

  /** A transformer with fresh weights. @throws E_SPEC for a wrong config, E_RANGE for a wrong seed, E_BACKEND when no core is loaded. */
  static fromConfig(config: TransformerOptions, options: ModelOptions = {}): Model {
    const complete = transformerConfig(config);
    return new Model(transformerSpec(complete), complete, options);
  }

  /** A model from a graph of one's own; with a config, weights are read in TransformerLens's shapes. @throws E_SPEC when the core refuses it. */
  static fromSpec(spec: Spec, options: SpecOptions = {}): Model {
    return new Model(spec, options.config, options);
  }

  /** The compiled program, for calls that this class does not have. @throws E_CLOSED after dispose. */
  get program(): ProgramHandle {
    if (this.#closed) throw new TritlensError("E_CLOSED", "the model was disposed", { expected: "a living model", found: "a disposed one" });
    return this.#program;
  }

  /** Names of all parameters, in the order of the flat vector. */
  get paramNames(): string[] {
    return this.#weights.names();
  }

  /** Logits. Large batches run in parts. */
  forward(tokens: Tokens): Tensor {
    return this.#runner.runInParts(toTokenRows(tokens), []).logits;
  }

  /**
   * Runs and keeps activations (and their gradients).
   *
   * @param options - `names` chooses what to keep; `hooks` change the run; `loss` with `inclGrad` or `paramGrads` runs backward.
   * @throws E_NAME for a name or filter that matches nothing, E_SHAPE, E_RANGE, E_DETACHED for wrong tokens or targets, E_CLOSED after dispose.
   */
  runWithCache(tokens: Tokens, options: CacheOptions = {}): CachedRun {
    const rows = toTokenRows(tokens);
    const names = options.names ?? this.siteNames;
    const plain = !options.hooks?.length && !options.gradHooks?.length && options.loss === undefined && options.stopAtLayer === undefined;
    requireLoss(options);
    if (plain) {
      const { logits, cache } = this.#runner.runInParts(rows, this.siteNames.length > 0 ? selectSites(names, this.siteNames) : []);
      return { logits, cache: new ActivationCache(cache) };
    }
    const cache = new Map<string, Tensor>();
    const plan = makePlan({ ...options, names }, this.siteNames, this.layers);
    return { ...driveSync(this.#runner.run(rows, plan, options, cache, this.#weights)), cache: new ActivationCache(cache) };
  }

  /** Runs with synchronous hooks; returns the logits (the residual stream with `stopAtLayer`). @throws E_MODE when a hook returns a promise. */
  runWithHooks(tokens: Tokens, options: RunOptions): Tensor {
    requireLoss(options);
    const plan = makePlan(options, this.siteNames, this.layers);
    return driveSync(this.#runner.run(toTokenRows(tokens), plan, options, new Map(), this.#weights)).logits;
  }

  /** Runs with hooks that may be asynchronous: the run stands still while one is awaited; other runs go on. */
  async runWithHooksAsync(tokens: Tokens, options: AsyncRunOptions): Promise<Tensor> {
    requireLoss(options);
    const plan = makePlan(options, this.siteNames, this.layers);
    return (await driveAsync(this.#runner.run(toTokenRows(tokens), plan, options, new Map(), this.#weights))).logits;
  }

  /**
   * Keys and values that are kept between runs: feed a text piece by piece, every activation in reach, at the cost of the new positions only.
   *
   * @throws E_SPEC when attention is not causal, E_RANGE for a capacity beyond the context, E_MEMORY.
   */
  openSession(options: SessionOptions = {}): Session {
    return new Session(this.#runner, this.spec, options);
  }

  /** A parameter in the core's layout ([out, in] for matrices); `effective` gives what the forward pass multiplies with. @throws E_NAME. */
  readParam(name: string, options: WeightOptions = {}): Tensor {
    return this.#living().read(name, options);
  }

  /** The quantised and dequantised values of a parameter in the core's layout; the latent ones when it is not quantised. */
  effectiveParam(name: string): Tensor {
    return this.#living().read(name, { effective: true });
  }

  /** Replaces a parameter (the core's layout). @throws E_NAME, E_SHAPE, E_DETACHED. */
  writeParam(name: string, data: Float32Array): void {
    this.#living().write(name, data);
  }

  /** Integer codes and scale of a quantised parameter. @throws E_NAME when it is not quantised. */
  paramCodes(name: string): WeightCodes {
    return this.#living().codes(name);
  }

  /** Quantiser of a parameter, `none` for full precision. */
  quantOf(name: string): Quantizer {
    return this.#weights.quantOf(name);
  }

  /** A parameter in TransformerLens's shape: W_Q [head, d_model, d_head], W_in [d_model, d_mlp], W_U [d_model, d_vocab_out]. @throws E_NAME. */
  weight(name: string, options: WeightOptions = {}): Tensor {
    return this.#living().weight(name, options);
  }

  /** All parameters by TransformerLens's names, in its shapes. */
  stateDict(options: WeightOptions = {}): Map<string, Tensor> {
    return this.#living().stateDict(options);
  }

  /** Loads a TransformerLens state dict, all or nothing. @throws E_NAME for missing or unknown tensors, E_SHAPE for wrong shapes. */
  loadStateDict(dict: ReadonlyMap<string, Tensor>): void {
    this.#living().loadStateDict(dict);
  }

  /** Frees the model. Safe to call twice; anything else afterwards throws E_CLOSED. @throws E_BUSY from inside of a hook of this model. */
  dispose(): void {
    if (this.#closed) return;
    const { active } = this.#runner;
    if (active > 0) throw new TritlensError("E_BUSY", "the model is running", { expected: "no open run", found: `${active}` });
    this.#closed = true;
    backstop.unregister(this);
    this.core.closeProgram(this.#program);
  }

  /** `using model = ...` disposes it at the end of the scope. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #living(): Weights {
    void this.program;
    return this.#weights;
  }
}

function requireSeed(seed: number): void {
  if (Number.isSafeInteger(seed) && seed >= 0) return;
  throw new TritlensError("E_RANGE", "wrong seed", { expected: "an integer in [0, 2^53)", found: String(seed) });
}
