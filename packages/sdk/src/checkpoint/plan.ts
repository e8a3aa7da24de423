/** What a checkpoint would take in memory, from its headers alone. */
import type { Core } from "../core/core.ts";
import { type CheckpointInfo, type MemoryOptions, type MemoryPlan, planMemory, requireBudget } from "../hooks/index.ts";
import { coreOf, type Prepared, type PretrainedOptions, prepare } from "./load.ts";
import type { CheckpointInput } from "./open.ts";

/** Options of {@link plan}: how the model would be loaded, and what would be run. */
export interface PlanOptions extends MemoryOptions, Omit<PretrainedOptions, "onProgress"> {}

/** Bytes by what takes them, and what the headers say. */
export interface CheckpointPlan extends MemoryPlan {
  /** Architecture, weights and their formats. */
  readonly checkpoint: CheckpointInfo;
}

/**
 * Bytes that a checkpoint takes once loaded, and that a run of it takes, without reading or allocating any matrix.
 *
 * @throws E_MEMORY when `total` exceeds `budgetBytes`, and what {@link Model.fromPretrained} throws for files that do not fit together.
 * @example
 * ```ts
 * const { total, weights, cache } = await plan("model.gguf", { seq: 512, capacity: 2048, names: "blocks.*.hook_resid_post" });
 * ```
 */
export async function plan(input: CheckpointInput, options: PlanOptions = {}): Promise<CheckpointPlan> {
  const core = await coreOf(options);
  const prepared = await prepare(input, core, options);
  await prepared.checkpoint.close();
  const memory = planPrepared(core, prepared, options);
  requireBudget("the model and the run", memory.total, options.budgetBytes);
  return { ...memory, checkpoint: prepared.info };
}

/** The plan of a checkpoint that is open already. */
export function planPrepared(core: Core, { spec, info }: Prepared, options: MemoryOptions): MemoryPlan {
  const program = core.compile(JSON.stringify(spec));
  try {
    return planMemory(core, program, spec, options, info.bytes);
  } finally {
    core.closeProgram(program);
  }
}
