/** What can be said about a training run, with the papers' values as defaults. */
import { TritlensError, unknownName } from "../core/errors.ts";

/** How the learning rate falls after the warm-up. */
export type ScheduleKind = "constant" | "linear" | "cosine";

/** The optimiser's settings: AdamW as PyTorch's, decay on every parameter. They are stored in checkpoints. */
export interface OptimizerOptions {
  /** Learning rate; 1e-3. */
  readonly lr?: number;
  /** Decay of the first moment; 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment; 0.98, as in both modular-addition papers. */
  readonly beta2?: number;
  /** Added to the denominator; 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay; 1.0, as in both papers. */
  readonly weightDecay?: number;
  /** Step from which weight decay is 0 (second stage of b1.58); never when left out. */
  readonly wdOffStep?: number | null;
  /** Steps of linear warm-up from 0; 0. Nanda's code uses 10. */
  readonly warmupSteps?: number;
  /** Decay after the warm-up, down to `minLrRatio` at `totalSteps`; constant. */
  readonly schedule?: ScheduleKind;
  /** Where the schedule ends; the run's `steps` when left out. */
  readonly totalSteps?: number;
  /** Last learning rate as a share of `lr`; 0. */
  readonly minLrRatio?: number;
  /** Examples a step, as seldom as possible the same twice: each epoch is a permutation of its own. The whole training set when left out or null. */
  readonly batchSize?: number | null;
  /** Seed of the order in which mini-batches take the examples; 0. A step's examples depend on it and on the number of the step alone. */
  readonly batchSeed?: number;
  /** Compute equal things once (same mathematics, several times faster); off only to test that. */
  readonly savings?: boolean;
}

/** Complete settings, as they go to the core and into checkpoints. */
export type OptimizerConfig = Required<OptimizerOptions>;

const SCHEDULES: readonly ScheduleKind[] = ["constant", "linear", "cosine"];

const DEFAULTS: Omit<OptimizerConfig, "totalSteps"> = {
  lr: 1e-3,
  beta1: 0.9,
  beta2: 0.98,
  eps: 1e-8,
  weightDecay: 1,
  wdOffStep: null,
  warmupSteps: 0,
  schedule: "constant",
  minLrRatio: 0,
  batchSize: null,
  batchSeed: 0,
  savings: true,
};

/** Names of the settings. */
export const OPTIMIZER_KEYS: readonly (keyof OptimizerConfig)[] = [...(Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]), "totalSteps"];

/**
 * Settings from what the caller gave, then from the checkpoint that is continued, then from the defaults. The core checks the numbers (E_RANGE).
 *
 * @throws E_NAME for an unknown schedule, E_RANGE for steps that are no whole number.
 */
export function optimizerConfig(given: OptimizerOptions, saved: OptimizerConfig | undefined, steps: number): OptimizerConfig {
  const set = Object.fromEntries(OPTIMIZER_KEYS.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])));
  const config = { ...DEFAULTS, totalSteps: steps, ...saved, ...set } as OptimizerConfig;
  if (!SCHEDULES.includes(config.schedule)) throw unknownName("schedule", String(config.schedule), SCHEDULES);
  for (const key of ["lr", "beta1", "beta2", "eps", "weightDecay", "minLrRatio"] as const) requireFinite(key, config[key]);
  requireCount("warmupSteps", config.warmupSteps);
  requireCount("totalSteps", config.totalSteps);
  if (config.wdOffStep !== null) requireCount("wdOffStep", config.wdOffStep);
  if (config.batchSize !== null) requireCount("batchSize", config.batchSize, 1);
  requireCount("batchSeed", config.batchSeed);
  return config;
}

/** JSON has no NaN: it would reach the core as nothing at all. */
function requireFinite(name: string, value: number): void {
  if (!Number.isFinite(value)) throw new TritlensError("E_RANGE", `wrong value of ${name}`, { expected: "a finite number", found: String(value) });
}

/** A whole number of at least `least`. @throws E_RANGE naming the option. */
export function requireCount(name: string, value: number, least = 0): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new TritlensError("E_RANGE", `wrong value of ${name}`, { expected: `a whole number of at least ${least}`, found: String(value) });
}
