/// <reference lib="esnext.disposable" preserve="true" />
/** A model: a compiled Spec with its parameters, and the calls that run it with caches and hooks. */
import type { Core, ProgramHandle } from "../core/core.ts";
import { requireAttached, TritlensError } from "../core/errors.ts";
import { defaultCore } from "../core/load.ts";
import { type TransformerConfig, type TransformerOptions, transformerConfig, transformerSpec } from "../models/index.ts";
import type { Quantizer, Spec } from "../spec/index.ts";
import { requireLength, type Tensor } from "../tensor/index.ts";
import { axesOf } from "./axes.ts";
import { ActivationCache } from "./cache.ts";
import { Collector, examplesPerPart, parts, runPart } from "./chunks.ts";
import { backward, driveAsync, driveSync, forward, type RunPlan, type Steps } from "./drive.ts";
import { type AsyncGradHook, type AsyncHook, type GradHook, type Hook, makePlan } from "./plan.ts";
import { Run, RunLayouts } from "./run.ts";
import { type NameFilter, selectSites } from "./select.ts";
import { type TokenRows, type Tokens, toTokenRows } from "./tokens.ts";
import { type WeightCodes, type WeightOptions, Weights } from "./weights.ts";

/** How a model is made. */
export interface ModelOptions {
  /** Seed of the initial weights (0 when left out): the same weights in Node and in the browser. */
  readonly seed?: number;
  /** The core to run on; the first one loaded by `loadCore` when left out. */
  readonly core?: Core;
}

/** Mean cross-entropy against targets. */
export interface TargetLoss {
  /** One class an output row; -1 leaves the row out. */
  readonly targets: ArrayLike<number>;
}

/** A gradient of the logits that the caller worked out. */
export interface GradientLoss {
  /** As many numbers as there are logits. */
  readonly grad: Float32Array;
}

/** The scalar whose gradient is taken: cross-entropy, the gradient of anything, or a function from logits to that gradient. */
export type Loss = TargetLoss | GradientLoss | ((logits: Tensor) => Float32Array | Tensor);

/** Options of every call that runs a model with hooks. */
export interface RunOptions {
  /** Hooks on activations: functions, or edits as data. */
  readonly hooks?: readonly Hook[];
  /** Hooks on gradients; they need `loss`. */
  readonly gradHooks?: readonly GradHook[];
  /** The scalar whose gradient is taken. */
  readonly loss?: Loss;
  /** Run blocks 0 to stopAtLayer - 1 only and return the residual stream; negative counts from the end (as in TransformerLens). */
  readonly stopAtLayer?: number;
}

/** Options of {@link Model.runWithHooksAsync}. */
export interface AsyncRunOptions extends Omit<RunOptions, "hooks" | "gradHooks"> {
  /** Hooks on activations. */
  readonly hooks?: readonly AsyncHook[];
  /** Hooks on gradients; they need `loss`. */
  readonly gradHooks?: readonly AsyncGradHook[];
}

/** Options of {@link Model.runWithCache}. */
export interface CacheOptions extends RunOptions {
  /** What to keep; everything when left out. */
  readonly names?: NameFilter;
  /** Keep gradients too, under the name with `_grad`; needs `loss`. */
  readonly inclGrad?: boolean;
  /** Return the gradients of parameters: all of them, or those of these names. Needs `loss`. */
  readonly paramGrads?: boolean | readonly string[];
}

/** What {@link Model.runWithCache} returns. */
export interface CachedRun {
  /** [batch, class] with `readout: "last"`, else [batch, pos, class]; the residual stream with `stopAtLayer`. */
  readonly logits: Tensor;
  /** What was kept. */
  readonly cache: ActivationCache;
  /** Mean cross-entropy, when `loss` has targets. */
  readonly loss?: number;
  /** Gradients of the latent parameters, by TransformerLens's names and in its shapes. */
  readonly paramGrads?: ReadonlyMap<string, Tensor>;
}

interface Outcome {
  readonly logits: Tensor;
  readonly loss?: number;
  readonly paramGrads?: Map<string, Tensor>;
}

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
  readonly #chunkable: boolean;
  readonly #axes: readonly (readonly string[])[];
  #runs = 0;
  #closed = false;

  private constructor(spec: Spec, config: TransformerConfig | undefined, { core = defaultCore(), seed = 0 }: ModelOptions) {
    requireSeed(seed);
    this.core = core;
    this.spec = spec;
    this.config = config;
    this.siteNames = spec.sites.map((s) => s.name);
    this.layers = this.siteNames.filter((n) => /^blocks\.\d+\.hook_resid_post$/.test(n)).length;
    this.#axes = spec.sites.map(axesOf);
    this.#chunkable = spec.sites.every((s) => s.shape[0] === "batch");
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

  /** A model from a graph of one's own. @throws E_SPEC when the core refuses it. */
  static fromSpec(spec: Spec, options: ModelOptions & { config?: TransformerConfig; checkpoint?: unknown } = {}): Model {
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
    return this.#runInParts(toTokenRows(tokens), []).logits;
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
      const { logits, cache } = this.#runInParts(rows, this.siteNames.length > 0 ? selectSites(names, this.siteNames) : []);
      return { logits, cache: new ActivationCache(cache) };
    }
    const cache = new Map<string, Tensor>();
    const plan = makePlan({ ...options, names }, this.siteNames, this.layers);
    return { ...driveSync(this.#run(rows, plan, options, cache)), cache: new ActivationCache(cache) };
  }

  /** Runs with synchronous hooks; returns the logits (the residual stream with `stopAtLayer`). @throws E_MODE when a hook returns a promise. */
  runWithHooks(tokens: Tokens, options: RunOptions): Tensor {
    requireLoss(options);
    const plan = makePlan(options, this.siteNames, this.layers);
    return driveSync(this.#run(toTokenRows(tokens), plan, options, new Map())).logits;
  }

  /** Runs with hooks that may be asynchronous: the run stands still while one is awaited; other runs go on. */
  async runWithHooksAsync(tokens: Tokens, options: AsyncRunOptions): Promise<Tensor> {
    requireLoss(options);
    const plan = makePlan(options, this.siteNames, this.layers);
    return (await driveAsync(this.#run(toTokenRows(tokens), plan, options, new Map()))).logits;
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
    if (this.#runs > 0) throw new TritlensError("E_BUSY", "the model is running", { expected: "no open run", found: `${this.#runs}` });
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

  /** Opens a run, gives it to `body` and closes it, whatever happens. */
  *#open<T>(rows: { batch: number; pos: number }, grad: boolean, body: (run: Run) => Steps<T>): Steps<T> {
    const run = new Run(this.core, this.program, this.#axes, rows, grad, this.#layouts);
    this.#runs++;
    try {
      return yield* body(run);
    } finally {
      this.#runs--;
      run.close();
    }
  }

  *#run(rows: TokenRows, plan: RunPlan, options: CacheOptions | AsyncRunOptions, cache: Map<string, Tensor>): Steps<Outcome> {
    const wanted = "paramGrads" in options ? options.paramGrads : undefined;
    const backwards = plan.backward.size > 0 || plan.keepGrad.size > 0 || Boolean(wanted);
    const lossOf = options.loss;
    const weights = this.#weights;
    return yield* this.#open(rows, backwards, function* (run): Steps<Outcome> {
      run.setTokens(rows);
      const residual = yield* forward(run, plan, cache);
      if (residual) return { logits: residual };
      const logits = run.output();
      const loss = lossOf === undefined ? undefined : applyLoss(run, lossOf, logits, backwards);
      const value = loss === undefined ? {} : { loss };
      if (!backwards) return { logits, ...value };
      yield* backward(run, plan, cache);
      return { logits, ...value, ...(wanted ? { paramGrads: paramGradients(run, weights, wanted) } : {}) };
    });
  }

  #runInParts(rows: TokenRows, keep: readonly number[]): { logits: Tensor; cache: Map<string, Tensor> } {
    const into = new Collector(rows.batch);
    const size = this.#chunkable ? Math.min(rows.batch, examplesPerPart(this.#elementsPerExample(rows.pos))) : rows.batch;
    const all = [...parts(rows, size)];
    // Parts of equal size share a run; only the last one may be smaller.
    for (const batch of new Set(all.map((part) => part.batch))) {
      const same = all.filter((part) => part.batch === batch);
      const names = this.siteNames;
      driveSync(
        // biome-ignore lint/correctness/useYield: nothing to wait for without hooks
        this.#open({ batch, pos: rows.pos }, false, function* (run): Steps<void> {
          for (const part of same) runPart(run, part, keep, names, into);
        }),
      );
    }
    const logits = into.tensors.get("") as Tensor;
    into.tensors.delete("");
    return { logits, cache: into.tensors };
  }

  readonly #layouts: RunLayouts = new RunLayouts();
  readonly #elements: Map<number, number> = new Map();

  #elementsPerExample(pos: number): number {
    const known = this.#elements.get(pos);
    if (known !== undefined) return known;
    const probe = new Run(this.core, this.program, this.#axes, { batch: 1, pos }, false, this.#layouts);
    this.#elements.set(pos, probe.arenaLength);
    probe.close();
    return probe.arenaLength;
  }
}

function requireSeed(seed: number): void {
  if (Number.isSafeInteger(seed) && seed >= 0) return;
  throw new TritlensError("E_RANGE", "wrong seed", { expected: "an integer in [0, 2^53)", found: String(seed) });
}

function requireLoss(options: CacheOptions | AsyncRunOptions): void {
  const grads = ("inclGrad" in options && options.inclGrad) || ("paramGrads" in options && options.paramGrads) || options.gradHooks?.length;
  if (!grads) return;
  if (options.loss === undefined) throw new TritlensError("E_RANGE", "gradients need a loss", { expected: "the option loss", found: "none" });
  if (options.stopAtLayer !== undefined)
    throw new TritlensError("E_RANGE", "gradients need the whole run", { expected: "no stopAtLayer", found: String(options.stopAtLayer) });
}

/** Seeds the backward pass; returns the loss when it is a cross-entropy. */
function applyLoss(run: Run, loss: Loss, logits: Tensor, backwards: boolean): number | undefined {
  if (typeof loss !== "function" && "targets" in loss) return run.loss(targetsOf(loss.targets));
  if (!backwards) return undefined;
  const given = typeof loss === "function" ? loss(logits) : loss.grad;
  const grad = given instanceof Float32Array ? given : given.data;
  requireAttached("the gradient of the loss", grad);
  requireLength("the gradient of the loss", logits.size, grad.length);
  run.seedGrad(grad);
  return undefined;
}

function targetsOf(targets: ArrayLike<number>): Int32Array {
  if (targets instanceof Int32Array) {
    requireAttached("the targets", targets);
    return targets;
  }
  const list = Array.from(targets);
  const wrong = list.findIndex((x) => !Number.isInteger(x));
  if (wrong >= 0) throw new TritlensError("E_RANGE", `target ${wrong} is no class`, { expected: "an integer", found: String(list[wrong]) });
  return Int32Array.from(list);
}

function paramGradients(run: Run, weights: Weights, wanted: boolean | readonly string[]): Map<string, Tensor> {
  const names = typeof wanted === "boolean" ? weights.names() : wanted;
  return new Map(
    names.map((name) => {
      const i = weights.index(name);
      const info = weights.infos[i] as { name: string; length: number };
      return [weights.publicName(info.name), weights.shaped(i, run.paramGrad(i, info.length))];
    }),
  );
}
