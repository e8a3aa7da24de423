/**
 * The WebAssembly build as a {@link Core}. Arenas live in its memory; views are made anew when the memory grew. A panic ends the instance
 * (panic = abort): the call throws E_PANIC with its message, every later one E_DEAD.
 */
import type { Core, CoreInfo, InferencePlan, PackedInfo, ProgramInfo, RunHandle, RunInfo, StoredInfo, TrainerInfo } from "./core.ts";
import { fromWire, TritlensError } from "./errors.ts";
import { type Functions, type Guard, makeGuard, missing, sharedCalls } from "./shared.ts";

/** What the generated module exports beside the shared calls. */
export interface WasmBinding extends Functions {
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
  arenaPtr(run: number): number;
  step(run: number): number;
  loss(run: number, targets: Int32Array): number;
  seedGrad(run: number, grad: Float32Array): void;
  stepBack(run: number): number;
  closeRun(run: number): void;
  trainSteps(trainer: number, n: number, out: Float64Array): number;
  evaluate(trainer: number, which: number): ArrayLike<number>;
  finishEvaluation(trainer: number, which: number): ArrayLike<number>;
  laneLen(trainer: number, part: number): number;
  lanePtr(trainer: number, lane: number, part: number): number;
  panicMessage(): string | undefined;
}

/** Wraps an instance and its memory. */
export function wasmCore(binding: WasmBinding, memory: WebAssembly.Memory): Core {
  const guard = guardOf(binding);
  const views = new Map<RunHandle, Float32Array>();
  const arena = (run: RunHandle): Float32Array => {
    const known = views.get(run);
    if (known && known.buffer === memory.buffer) return known;
    const view = guard(() => new Float32Array(memory.buffer, binding.arenaPtr(run), binding.arenaLen(run)));
    views.set(run, view);
    return view;
  };
  const shared = sharedCalls(binding, guard);
  /** A lane's gradient where it lies: reading and writing it there saves the copies that a call's arguments would make. */
  const lane = (trainer: number, index: number, part: number): Float32Array =>
    guard(() => new Float32Array(memory.buffer, binding.lanePtr(trainer, index, part), binding.laneLen(trainer, part)));
  return {
    backend: "wasm",
    ...shared,
    info: () => guard(() => ({ ...(JSON.parse(binding.info()) as CoreInfo), parallel: "none" })),
    describe: (program) => guard(() => JSON.parse(binding.describe(program)) as ProgramInfo),
    describeRun: (run) => guard(() => JSON.parse((binding.describeRun ?? missing("describeRun"))(run)) as RunInfo),
    describePacked: (layer) => guard(() => JSON.parse(binding.describePacked(layer)) as PackedInfo),
    describeStored: (program, param) => guard(() => JSON.parse(binding.describeStored(program, param)) as StoredInfo),
    describeTrainer: (trainer) => guard(() => JSON.parse(binding.describeTrainer(trainer)) as TrainerInfo),
    planInference: (...args) => guard(() => JSON.parse(binding.planInference(...args)) as InferencePlan),
    openInference: (...args) => guard(() => binding.openInference(...args)) as RunHandle,
    openRun: (program, batch, seq, grads) => guard(() => (binding.openRun ?? missing("openRun"))(program, batch, seq, grads)) as RunHandle,
    arena,
    step: (run) => guard(() => binding.step(run)),
    loss: (run, targets) => guard(() => (binding.loss ?? missing("loss"))(run, targets)),
    seedGrad: (run, grad) => guard(() => (binding.seedGrad ?? missing("seedGrad"))(run, grad)),
    stepBack: (run) => guard(() => (binding.stepBack ?? missing("stepBack"))(run)),
    closeRun(run) {
      views.delete(run);
      guard(() => binding.closeRun(run));
    },
    // Async for the interface's sake: there is one thread, so the work is done before the promise is there.
    trainSteps: async (trainer, n, out) => guard(() => binding.trainSteps(trainer, n, out)),
    async evaluate(trainer, which) {
      const [loss, accuracy] = Array.from(guard(() => binding.evaluate(trainer, which)));
      return [loss as number, accuracy as number];
    },
    finishEvaluation(trainer, which) {
      const [loss, accuracy] = Array.from(guard(() => binding.finishEvaluation(trainer, which)));
      return [loss as number, accuracy as number];
    },
    // Another length, or a transferred array, is for the core to name.
    readLane(trainer, index, part, out) {
      const from = lane(trainer, index, part);
      if (from.length === out.length && out.length > 0) out.set(from);
      else shared.readLane(trainer, index, part, out);
    },
    writeLane(trainer, index, part, data) {
      const to = lane(trainer, index, part);
      if (to.length === data.length && data.length > 0) to.set(data);
      else shared.writeLane(trainer, index, part, data);
    },
  };
}

function guardOf(binding: WasmBinding): Guard {
  let death: string | undefined;
  return makeGuard(
    () => {
      if (death !== undefined)
        throw new TritlensError("E_DEAD", `this WebAssembly instance ended with a panic earlier: ${death}`, { expected: "a fresh page or worker" });
    },
    (error) => {
      if (!(error instanceof WebAssembly.RuntimeError)) return fromWire(error);
      death = binding.panicMessage() ?? error.message;
      return new TritlensError("E_PANIC", death, { cause: error });
    },
  );
}
