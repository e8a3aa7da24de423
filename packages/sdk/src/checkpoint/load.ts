/** Loads a checkpoint into a model, tensor by tensor, without a copy of the file in memory. */
import type { Core } from "../core/core.ts";
import { anyCore } from "../core/load.ts";
import { type CheckpointInfo, Model, requireBudget } from "../hooks/index.ts";
import type { SourceOptions } from "../io/index.ts";
import { transformerSpec } from "../models/index.ts";
import type { Spec } from "../spec/index.ts";
import { fillParam } from "./fill.ts";
import { type Fill, matchWeights } from "./fills.ts";
import { describeCheckpoint } from "./info.ts";
import { type CheckpointInput, type OpenCheckpoint, openCheckpoint } from "./open.ts";
import { Progress, type WatchOptions } from "./progress.ts";
import { tokenizerOf } from "./tokenizer.ts";

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
  /** `false` leaves the tokenizer alone: for token ids only, or where its kind is not supported (E_NAME). */
  readonly tokenizer?: boolean;
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
    const info = describeCheckpoint(checkpoint, fills, (fill) => keptAs(core, fill));
    return { checkpoint, spec, fills, info };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** What the core keeps of a file's layouts: codes of 2 bits (1 where there are two values) with scales beside them. */
const KEPT: ReadonlyMap<string, readonly [format: string, group: number]> = new Map([
  ["tq1_0", ["ternary5", 256]],
  ["tq2_0", ["ternary2", 256]],
  ["q1_0", ["binary", 128]],
  ["hf", ["ternary2", 0]],
  ["i2_s", ["ternary2", 0]],
  ["i2_s_neon", ["ternary2", 0]],
  ["ternary2", ["ternary2", 0]],
]);

/** Format and bytes in memory. Blocks that all have the same scale need one only, which the header does not tell: this is the most. */
function keptAs(core: Core, { param, format, how }: Fill): { format: string; bytes: number } {
  const [rows, cols] = param.shape as [number, number?];
  if (cols === undefined || how === "floats") return { format: "f32", bytes: 4 * rows * (cols ?? 1) };
  const [kept, group] = KEPT.get(format) ?? [format, undefined];
  const scales = group === undefined ? 0 : group === 0 ? 1 : rows * Math.ceil(cols / group);
  return { format: kept, bytes: core.storedBytes(kept, rows, cols) + 4 * scales };
}

/** The core to load into. */
export async function coreOf(options: { readonly core?: Core | undefined }): Promise<Core> {
  return options.core ?? anyCore();
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
    requireBudget("the weights", info.bytes, options.budgetBytes);
    const tokenizer = options.tokenizer === false ? undefined : await tokenizerOf(checkpoint);
    const progress = new Progress(checkpoint.name, fills, options);
    progress.begin();
    model = Model.fromSpec(spec, { core, config: checkpoint.recipe.config, checkpoint: info });
    model.tokenizer = tokenizer;
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
