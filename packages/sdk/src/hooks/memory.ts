/** How much memory a run takes, told before anything is allocated. */
import type { Core, ProgramHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import { columnsOf, type SiteSpec, type Spec } from "../spec/index.ts";
import { type NameFilter, selectSites } from "./select.ts";

/** What is to be run. */
export interface MemoryOptions {
  /** Sequences side by side (1). A batch without hooks may run in parts, and then takes less than is said. */
  readonly batch?: number;
  /** Tokens a run: the prompt's length (512, or the context where it is shorter). */
  readonly seq?: number;
  /** Positions of the session, when there is one: keys and values are kept for all of them. 0 (default) for a run on its own. */
  readonly capacity?: number;
  /** Activations to keep, as in `runWithCache`; none when left out. */
  readonly names?: NameFilter;
  /** Logits of the last position only, as while generating. */
  readonly lastOnly?: boolean;
}

/** Bytes of memory, by what takes them. */
export interface MemoryPlan {
  /** All parameters. */
  readonly weights: number;
  /** Keys and values of the session. */
  readonly cache: number;
  /** Activations and buffers while a run is under way. */
  readonly activations: number;
  /** Copies that a run hands out: logits, and what `names` asks for. */
  readonly captures: number;
  /** The sum. */
  readonly total: number;
}

/** Sizes with their defaults. */
interface Sizes {
  readonly batch: number;
  readonly seq: number;
  readonly capacity: number;
  readonly lastOnly: boolean;
}

/**
 * Bytes that a run of a compiled program takes.
 *
 * @param weights - Bytes of its parameters, where those in memory are not yet what they will be.
 * @throws E_RANGE for sizes out of range, E_NAME for a filter that matches nothing, E_MEMORY when the activations exceed what can be addressed.
 */
export function planMemory(core: Core, program: ProgramHandle, spec: Spec, options: MemoryOptions = {}, weights?: number): MemoryPlan {
  const sizes = sizesOf(spec, options);
  const { batch, seq, capacity, lastOnly } = sizes;
  const names = spec.sites.map((s) => s.name);
  const kept = options.names === undefined ? [] : selectSites(options.names, names);
  const listen = new Uint8Array(names.length);
  for (const site of kept) listen[site] = 1;
  const said = core.planInference(program, batch, seq, Math.max(capacity, seq), listen, lastOnly);
  const activations = said.arena + said.scratch;
  const classes = columnsOf(spec, spec.output);
  const logits = 4 * batch * (lastOnly ? 1 : seq) * classes;
  const captures = kept.reduce((n, site) => n + bytesOf(spec.sites[site] as SiteSpec, sizes), logits);
  const cache = capacity > 0 ? said.cache : 0;
  const ofWeights = weights ?? said.weights;
  return { weights: ofWeights, cache, activations, captures, total: ofWeights + cache + activations + captures };
}

function sizesOf(spec: Spec, { batch = 1, seq = Math.min(512, spec.ctx), capacity = 0, lastOnly = false }: MemoryOptions): Sizes {
  for (const [name, value, least] of [
    ["batch", batch, 1],
    ["seq", seq, 1],
    ["capacity", capacity, 0],
  ] as const) {
    if (Number.isInteger(value) && value >= least && value <= 0x7fffffff) continue;
    throw new TritlensError("E_RANGE", `${name} is out of range`, { expected: `an integer of at least ${least}`, found: String(value) });
  }
  return { batch, seq, capacity, lastOnly };
}

/** Bytes of an activation. */
export function bytesOf({ shape }: SiteSpec, { batch, seq, capacity }: Pick<Sizes, "batch" | "seq" | "capacity">): number {
  return shape.reduce((n: number, d) => n * (d === "batch" ? batch : d === "seq" ? seq : d === "keys" ? Math.max(capacity, seq) : d), 4);
}

/** Refuses what would take more than it may. @throws E_MEMORY with the numbers. */
export function requireBudget(what: string, bytes: number, budget: number | undefined): void {
  if (budget === undefined || bytes <= budget) return;
  throw new TritlensError("E_MEMORY", `${what} would not keep within budgetBytes`, { expected: `at most ${budget} bytes`, found: `${bytes} bytes` });
}
