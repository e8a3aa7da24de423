/// <reference lib="esnext.disposable" preserve="true" />
/** A model: a compiled Spec with its parameters, and the calls that run it with caches and hooks. */
import type { CheckpointInput, PretrainedOptions } from "../checkpoint/index.ts";
import type { Core, ProgramHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { defaultCore } from "../core/load.ts";
import type { GenerateOptions } from "../generate/options.ts";
import { type TransformerConfig, type TransformerOptions, transformerConfig, transformerSpec } from "../models/index.ts";
import type { Spec } from "../spec/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { ChatMessage, ChatOptions, Tokenizer } from "../tokenizer/index.ts";
import type { CacheSource } from "./cache/source.ts";
import { ActivationCache } from "./cache.ts";
import type { CheckpointInfo } from "./checkpoint.ts";
import { driveAsync, driveSync } from "./drive.ts";
import { type Generation, lazyGeneration } from "./generation.ts";
import { requireLoss } from "./loss.ts";
import { type MemoryOptions, type MemoryPlan, planMemory, requireBudget } from "./memory.ts";
import type { AsyncRunOptions, CachedRun, CacheOptions, ModelOptions, RunOptions, SpecOptions } from "./options.ts";
import { makePlan } from "./plan.ts";
import { Runner } from "./runner.ts";
import type { NameFilter } from "./select.ts";
import { Session, type SessionOptions } from "./session.ts";
import { modelText, shownAs } from "./show.ts";
import { requireVariants, Sweep, type SweepOptions, type SweepRun, type Variant } from "./sweep.ts";
import { type TokenRows, type Tokens, toTokenRows } from "./tokens.ts";
import { WeightViews } from "./views.ts";
import { ModelParts } from "./virtual/part.ts";
import { collect, coreSitesOf, planWithVirtual } from "./virtual/read.ts";
import { sweepOneByOne } from "./virtual/sweep.ts";
import { Weights } from "./weights.ts";

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
export class Model extends WeightViews {
  /** The core the model runs on. */
  readonly core: Core;
  /** The graph the model was compiled from. */
  readonly spec: Spec;
  /** The configuration, when the model was made from one. */
  readonly config: TransformerConfig | undefined;
  /** Where the weights came from, when the model was loaded from a checkpoint of another library. */
  readonly checkpoint: CheckpointInfo | undefined;
  /** Names of all activations that the program holds, in firing order; `runWithCache` keeps these. */
  readonly siteNames: readonly string[];
  /** Number of blocks. */
  readonly layers: number;
  /** Text to tokens and back: the checkpoint's, when it has one. Assign one to a model of your own. */
  tokenizer: Tokenizer | undefined;
  readonly #program: ProgramHandle;
  readonly #weights: Weights;
  readonly #runner: Runner;
  #closed = false;

  private constructor(spec: Spec, config: TransformerConfig | undefined, { core = defaultCore(), seed = 0, checkpoint }: SpecOptions) {
    super();
    requireSeed(seed);
    this.checkpoint = checkpoint;
    this.core = core;
    this.spec = spec;
    this.config = config;
    this.#runner = new Runner(
      core,
      () => this.program,
      spec,
      (names) => config && new ModelParts(core, config, names, () => this.living()),
    );
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

  /**
   * A model from a checkpoint: a folder of transformers (config.json and safetensors, single or sharded), one `.safetensors` with config.json beside it, or a `.gguf`;
   * by path, URL, Blob, bytes, or a list of files. Architectures: GPT-2, GPT-NeoX (Pythia), Llama, Qwen2, Qwen3, BitNet b1.58. Matrices stay in memory as the file has
   * them (packed, F16, Q8_0, ...), and logits are the reference's. See docs/guides/load.md.
   *
   * @throws E_SPEC for a model that is not supported (with the key that decided), E_NAME and E_SHAPE for tensors that contradict the configuration, E_FORMAT for malformed
   * files, E_MEMORY beyond `budgetBytes`, E_IO, E_ABORTED, and what `onProgress` throws. Nothing stays behind then.
   * @example
   * ```ts
   * const model = await Model.fromPretrained("models/bitnet-b1.58-2B-4T", { onProgress: (e) => console.log(e.status, e.file, e.progress) });
   * const { cache } = model.runWithCache([[1, 2, 3]], { names: "blocks.*.attn.hook_pattern" });
   * ```
   */
  static async fromPretrained(input: CheckpointInput, options: PretrainedOptions = {}): Promise<Model> {
    const { loadPretrained } = await import("../checkpoint/index.ts");
    return loadPretrained(input, options);
  }

  /**
   * Names of everything that can be kept and hooked, in firing order: {@link siteNames}, and what is worked out only where it is named: `hook_tokens`, and in every
   * block `hook_attn_in` (without grouped keys), `hook_q_input`, `hook_k_input`, `hook_v_input`, `hook_mlp_in` and `attn.hook_result`.
   */
  get hookNames(): readonly string[] {
    return this.#runner.space.names;
  }

  /** The compiled program, for calls that this class does not have. @throws E_CLOSED after dispose. */
  get program(): ProgramHandle {
    if (this.#closed) throw new TritlensError("E_CLOSED", "the model was disposed", { expected: "a living model", found: "a disposed one" });
    return this.#program;
  }

  /** Logits. Large batches run in parts. */
  forward(tokens: Tokens): Tensor {
    return this.#runner.runInParts(toTokenRows(tokens), []).logits;
  }

  /** Bytes that a run (and a session) would take beside the weights, without taking them. @throws E_RANGE, E_NAME, E_MEMORY. */
  plan(options: MemoryOptions = {}): MemoryPlan {
    const places = options.names === undefined ? [] : this.#runner.space.select(options.names);
    return planWithVirtual(places, options, (names) => planMemory(this.core, this.program, this.spec, { ...options, names }), this.siteNames);
  }

  /**
   * Runs and keeps activations (and their gradients).
   *
   * @param options - `names` chooses what to keep; `hooks` change the run; `loss` with `inclGrad` or `paramGrads` runs backward.
   * @throws E_NAME for a name or filter that matches nothing, E_SHAPE, E_RANGE, E_DETACHED for wrong tokens or targets, E_MEMORY beyond `budgetBytes`, E_CLOSED after dispose.
   */
  runWithCache(tokens: Tokens, options: CacheOptions = {}): CachedRun {
    const rows = toTokenRows(tokens);
    // A predicate, because looking up every name in the list of all names takes longer than a small run.
    const names = options.names ?? (this.siteNames.length > 0 ? () => true : []);
    const plain = !options.hooks?.length && !options.gradHooks?.length && options.loss === undefined && options.stopAtLayer === undefined;
    requireLoss(options);
    if (options.budgetBytes !== undefined) this.#requireBudget(rows, names, options.budgetBytes);
    if (plain) {
      const places = this.#runner.space.select(names);
      const { logits, cache } = this.#runner.runInParts(rows, coreSitesOf(places));
      return { logits, cache: this.#cacheOf(collect(places, cache, this.siteNames, rows), options) };
    }
    const cache = new Map<string, Tensor>();
    const plan = makePlan({ ...options, names }, this.#runner.space, this.layers);
    return { ...driveSync(this.#runner.run(rows, plan, options, cache, this.#weights)), cache: this.#cacheOf(cache, options) };
  }

  /** Runs with synchronous hooks; returns the logits (the residual stream with `stopAtLayer`). @throws E_MODE when a hook returns a promise. */
  runWithHooks(tokens: Tokens, options: RunOptions): Tensor {
    requireLoss(options);
    const plan = makePlan(options, this.#runner.space, this.layers);
    return driveSync(this.#runner.run(toTokenRows(tokens), plan, options, new Map(), this.#weights)).logits;
  }

  /** Runs with hooks that may be asynchronous: the run stands still while one is awaited; other runs go on. */
  async runWithHooksAsync(tokens: Tokens, options: AsyncRunOptions): Promise<Tensor> {
    requireLoss(options);
    const plan = makePlan(options, this.#runner.space, this.layers);
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

  /**
   * Runs many variants of one run: the plain one first (index -1), then every variant in order. What they share is computed once, positions and layers that an edit
   * cannot reach are not computed again, and variants go through the model together. Every variant has the logits that `runWithHooks` with its edits would give.
   * Where an edit names an activation that no node holds (see {@link hookNames}), every variant is a run of its own.
   *
   * @throws E_NAME, E_SHAPE, E_RANGE for edits that do not fit, E_MEMORY, E_ABORTED, E_CLOSED.
   * @example
   * ```ts
   * const variants = [0, 1, 2].map((head) => ({ edits: [["blocks.0.attn.hook_z", { kind: "zero", at: { head } }]] as const }));
   * for await (const { index, logits } of model.sweep(tokens, variants, { positions: "last" })) console.log(index, logits.at(0, 0, 5));
   * ```
   */
  sweep(tokens: Tokens, variants: readonly Variant[], options: SweepOptions = {}): AsyncGenerator<SweepRun> {
    requireVariants(variants, options);
    const virtual = (where: NameFilter): boolean => this.#runner.space.select(where).some((place) => place.virtual !== undefined);
    if (variants.some(({ edits }) => edits.some(([where]) => virtual(where))))
      return sweepOneByOne(this, this.#runner.space, tokens, variants, options);
    return new Sweep(this.#runner, this.spec, toTokenRows(tokens), variants, options).run();
  }

  /** Generates from a prompt: text or token ids. See `generate`, which this is. */
  generate(prompt: string | Tokens, options: GenerateOptions = {}): Generation {
    return lazyGeneration(async () => (await import("../generate/index.ts")).generate(this, prompt, options));
  }

  /** Generates the answer of a conversation with the checkpoint's chat template. See `chat`, which this is. */
  chat(messages: readonly ChatMessage[], options: GenerateOptions & ChatOptions = {}): Generation {
    return lazyGeneration(async () => (await import("../generate/index.ts")).chat(this, messages, options));
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

  #cacheOf(tensors: Map<string, Tensor>, { posSlice: pos, batchSlice: batch }: CacheOptions): ActivationCache {
    const cache = new ActivationCache(tensors, this.#runner.source);
    if (pos === undefined && batch === undefined) return cache;
    return cache.slice({ ...(pos === undefined ? {} : { pos }), ...(batch === undefined ? {} : { batch }) });
  }

  #requireBudget({ batch, pos }: TokenRows, names: NameFilter, budget: number): void {
    const { activations, captures } = this.plan({ batch, seq: pos, names });
    requireBudget("the run", activations + captures, budget);
  }

  /**
   * What caches are read with.
   *
   * @internal
   */
  get cacheSource(): CacheSource {
    return this.#runner.source;
  }

  /** @internal */
  protected override living(): Weights {
    void this.program;
    return this.#weights;
  }
}

shownAs(Model.prototype, modelText);

function requireSeed(seed: number): void {
  if (Number.isSafeInteger(seed) && seed >= 0) return;
  throw new TritlensError("E_RANGE", "wrong seed", { expected: "an integer in [0, 2^53)", found: String(seed) });
}
