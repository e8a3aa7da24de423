/** Options and results of the calls that run a model. */
import type { Core } from "../core/core.ts";
import type { TransformerConfig } from "../models/index.ts";
import type { AxisIndex, Tensor } from "../tensor/index.ts";
import type { ActivationCache } from "./cache.ts";
import type { CheckpointInfo } from "./checkpoint.ts";
import type { AsyncGradHook, AsyncHook, GradHook, Hook } from "./plan.ts";
import type { NameFilter } from "./select.ts";

/** How a model is made. */
export interface ModelOptions {
  /** Seed of the initial weights (0 when left out): the same weights in Node and in the browser. */
  readonly seed?: number;
  /** The core to run on; the first one loaded by `loadCore` when left out. */
  readonly core?: Core;
}

/** How a model is made from a Spec. */
export interface SpecOptions extends ModelOptions {
  /** The configuration the Spec was made from. */
  readonly config?: TransformerConfig;
  /** What {@link Model.checkpoint} is to say. */
  readonly checkpoint?: CheckpointInfo;
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
  /** Refuse with E_MEMORY, before anything is computed, when activations and copies would take more (see {@link Model.plan}). */
  readonly budgetBytes?: number;
  /** Keep this position (the axis disappears) or these positions `[lo, hi)` only; of scores and patterns, those of the queries. Cut when the run is over, so the run needs the memory of all. */
  readonly posSlice?: AxisIndex;
  /** Keep this example (the axis disappears) or these examples `[lo, hi)` only. */
  readonly batchSlice?: AxisIndex;
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
