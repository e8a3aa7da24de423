/** The Node addon as a {@link Core}. The arena of a run is a Float32Array that JavaScript owns and passes to every step. */
import type { Core, CoreInfo, InferencePlan, PackedInfo, ProgramInfo, RunHandle, RunInfo, StoredInfo, TrainerHandle, TrainerInfo } from "./core.ts";
import { fromWire, requireAttached, TritlensError } from "./errors.ts";
import { type Functions, makeGuard, sharedCalls } from "./shared.ts";

/** What the addon exports beside the shared calls. */
export interface NativeBinding extends Functions {
  info(): string;
  describe(program: number): string;
  describeRun(run: number): string;
  describeTrainer(trainer: number): string;
  describePacked(layer: number): string;
  describeStored(program: number, param: number): string;
  planInference(program: number, batch: number, seq: number, capacity: number, listen: Uint8Array, lastOnly: boolean): string;
  openInference(program: number, session: number, batch: number, seq: number, listen: Uint8Array, lastOnly: boolean): number;
  openRun(program: number, batch: number, seq: number, grads: number): number;
  arenaLen(run: number): number;
  step(run: number, arena: Float32Array): number;
  loss(run: number, arena: Float32Array, targets: Int32Array): number;
  seedGrad(run: number, arena: Float32Array, grad: Float32Array): void;
  stepBack(run: number, arena: Float32Array): number;
  closeRun(run: number): void;
  trainSteps(trainer: number, n: number, out: Float64Array): Promise<number>;
  evaluate(trainer: number, which: number): Promise<[number, number]>;
  finishEvaluation(trainer: number, which: number): number[];
}

const guard = makeGuard(() => undefined, fromWire);

async function guardAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromWire(error);
  }
}

/** Wraps the addon. */
export function nativeCore(binding: NativeBinding): Core {
  const arenas = new Map<RunHandle, Float32Array>();
  const arena = (run: RunHandle): Float32Array => {
    const found = arenas.get(run);
    if (!found) throw new TritlensError("E_CLOSED", "the run is closed or never was open");
    // Rust sees a transferred array as an empty one; here it can be named.
    if (found.byteLength === 0) requireAttached("the run's activations", found);
    return found;
  };
  const withArena = (run: RunHandle): RunHandle => {
    const length = guard(() => binding.arenaLen(run));
    arenas.set(
      run,
      allocate(length, () => binding.closeRun(run)),
    );
    return run;
  };
  return {
    backend: "native",
    ...sharedCalls(binding, guard),
    info: () => guard(() => ({ ...(JSON.parse(binding.info()) as CoreInfo), parallel: "threads" })),
    describe: (program) => guard(() => JSON.parse(binding.describe(program)) as ProgramInfo),
    describeRun: (run) => guard(() => JSON.parse(binding.describeRun(run)) as RunInfo),
    describePacked: (layer) => guard(() => JSON.parse(binding.describePacked(layer)) as PackedInfo),
    describeStored: (program, param) => guard(() => JSON.parse(binding.describeStored(program, param)) as StoredInfo),
    describeTrainer: (trainer) => guard(() => JSON.parse(binding.describeTrainer(trainer)) as TrainerInfo),
    planInference: (...args) => guard(() => JSON.parse(binding.planInference(...args)) as InferencePlan),
    openRun: (...args) => withArena(guard(() => binding.openRun(...args)) as RunHandle),
    openInference: (...args) => withArena(guard(() => binding.openInference(...args)) as RunHandle),
    arena,
    // The one call that is made at every hook: no closure.
    step(run) {
      try {
        return binding.step(run, arena(run));
      } catch (error) {
        throw fromWire(error);
      }
    },
    loss: (run, targets) => guard(() => binding.loss(run, arena(run), targets)),
    seedGrad: (run, grad) => guard(() => binding.seedGrad(run, arena(run), grad)),
    stepBack: (run) => guard(() => binding.stepBack(run, arena(run))),
    closeRun(run) {
      arenas.delete(run);
      guard(() => binding.closeRun(run));
    },
    trainSteps: (trainer: TrainerHandle, n, out) => guardAsync(() => binding.trainSteps(trainer, n, out)),
    evaluate: (trainer: TrainerHandle, which) => guardAsync(() => binding.evaluate(trainer, which)),
    finishEvaluation: (trainer, which) => guard(() => binding.finishEvaluation(trainer, which)) as [number, number],
  };
}

/** The arena, or E_MEMORY and a closed run when the machine has no room for it. */
function allocate(length: number, onFailure: () => void): Float32Array {
  try {
    return new Float32Array(length);
  } catch (cause) {
    onFailure();
    throw new TritlensError("E_MEMORY", `no room for a run of ${length} activations`, { cause });
  }
}
