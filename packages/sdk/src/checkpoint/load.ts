/** Loads a checkpoint into a model, tensor by tensor, without a copy of the file in memory. */
import type { Core } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { loadCore } from "../core/load.ts";
import { type CheckpointInfo, Model } from "../hooks/index.ts";
import type { SourceOptions } from "../io/index.ts";
import { transformerSpec } from "../models/index.ts";
import type { Spec } from "../spec/index.ts";
import { fillParam } from "./fill.ts";
import { type Fill, matchWeights } from "./fills.ts";
import { describeCheckpoint } from "./info.ts";
import { type CheckpointInput, type OpenCheckpoint, openCheckpoint } from "./open.ts";
import { Progress, type WatchOptions } from "./progress.ts";

/** Options of {@link Model.fromPretrained}. */
export interface PretrainedOptions extends WatchOptions, Pick<SourceOptions, "fetch" | "cache"> {
  /** The core to run on; the first one loaded by `loadCore`, or one that is loaded now, when left out. */
  readonly core?: Core;
  /** Refuse with E_MEMORY, before anything is allocated, when the weights alone would take more bytes. */
  readonly budgetBytes?: number;
  /**
   * Decode F32, F16 and BF16 matrices into ordinary f32 parameters that can be trained (BitNet's master weights with the quantiser in the forward pass),
   * instead of keeping them as the file has them.
   */
  readonly trainable?: boolean;
  /** Layout of I2_S matrices: `x86` (default; BitNet's x86 code and both of its Python converters) or `neon`. The file does not say it. */
  readonly i2sLayout?: "x86" | "neon";
  /** Longest context, at most the model's own (the default). It bounds what a session may hold; a shorter one takes no memory away but learned positions. */
  readonly nCtx?: number;
}

/** A checkpoint whose headers were read and found to fit. */
export interface Prepared {
  readonly checkpoint: OpenCheckpoint;
  readonly spec: Spec;
  readonly fills: readonly Fill[];
  readonly info: CheckpointInfo;
}

/** Opens a checkpoint and checks it from its headers. The caller closes `checkpoint`. @throws as {@link loadPretrained}. */
export async function prepare(input: CheckpointInput, core: Core, options: PretrainedOptions): Promise<Prepared> {
  const { signal, fetch, cache } = options;
  const checkpoint = await openCheckpoint(input, { nCtx: options.nCtx, trainable: options.trainable ?? false }, { signal, fetch, cache });
  try {
    const spec = transformerSpec(checkpoint.recipe.config);
    const fills = matchWeights(checkpoint.recipe, spec, checkpoint, { i2sLayout: options.i2sLayout ?? "x86" });
    const info = describeCheckpoint(checkpoint, fills, (fill) => bytesOf(core, fill));
    return { checkpoint, spec, fills, info };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

function bytesOf(core: Core, { param, format, how }: Fill): number {
  const [rows, cols] = param.shape as [number, number?];
  return cols === undefined || how === "floats" ? 4 * rows * (cols ?? 1) : core.storedBytes(format, rows, cols);
}

/** The core to load into. */
export async function coreOf(options: { readonly core?: Core | undefined }): Promise<Core> {
  return options.core ?? loadCore();
}

/**
 * What {@link Model.fromPretrained} does; see there.
 *
 * @throws E_SPEC, E_NAME, E_SHAPE, E_FORMAT, E_NONFINITE, E_MEMORY, E_IO, E_ABORTED.
 */
export async function loadPretrained(input: CheckpointInput, options: PretrainedOptions = {}): Promise<Model> {
  const core = await coreOf(options);
  const { checkpoint, spec, fills, info } = await prepare(input, core, options);
  let model: Model | undefined;
  try {
    requireBudget(info.bytes, options.budgetBytes);
    const progress = new Progress(checkpoint.name, fills, options);
    progress.begin();
    model = Model.fromSpec(spec, { core, config: checkpoint.recipe.config, checkpoint: info });
    for (const fill of fills) await fillParam({ core, program: model.program }, fill, progress.read);
    progress.ready();
    return model;
  } catch (error) {
    model?.dispose();
    throw error;
  } finally {
    await checkpoint.close();
  }
}

function requireBudget(bytes: number, budget: number | undefined): void {
  if (budget === undefined || bytes <= budget) return;
  throw new TritlensError("E_MEMORY", "the weights do not fit into budgetBytes", { expected: `at most ${budget} bytes`, found: `${bytes} bytes` });
}
