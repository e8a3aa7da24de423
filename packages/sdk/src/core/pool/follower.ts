/** A follower: an instance of the core that computes lanes of steps for another one. */
import type { Core, ProgramHandle, TrainerHandle } from "../core.ts";
import { type FromFollower, type LaneResult, type Line, movable, type RunRequest, type ToFollower } from "./messages.ts";

interface Opened {
  readonly program: ProgramHandle;
  readonly trainer: TrainerHandle;
}

/** Serves a leader. `instantiate` makes this side's core from the leader's compiled module. */
export function follow(line: Line, instantiate: (module: WebAssembly.Module) => Promise<Core>): void {
  const follower = new Follower(instantiate);
  // One after another: instantiating takes a while, and what follows needs it.
  let last: Promise<void> = Promise.resolve();
  const answer = async (message: ToFollower): Promise<void> => {
    const reply = await follower.take(message);
    if (!reply) return;
    line.send(reply, "lanes" in reply ? movable(reply.lanes, reply.params) : []);
  };
  line.listen(
    (message) => {
      last = last.then(() => answer(message as ToFollower));
    },
    () => undefined,
  );
}

class Follower {
  readonly #instantiate: (module: WebAssembly.Module) => Promise<Core>;
  readonly #open: Map<number, Opened> = new Map();
  #core: Core | undefined;
  #failure: unknown;

  constructor(instantiate: (module: WebAssembly.Module) => Promise<Core>) {
    this.#instantiate = instantiate;
  }

  async take(message: ToFollower): Promise<FromFollower | undefined> {
    try {
      if (message.kind === "run") {
        if (this.#failure !== undefined) throw this.#failure;
        return this.#run(message);
      }
      if (message.kind === "start") this.#core = await this.#instantiate(message.module);
      else this.#prepare(message);
      return undefined;
    } catch (error) {
      if (message.kind === "run") return { id: message.id, error: String(error) };
      this.#failure ??= error;
      return undefined;
    }
  }

  #prepare(message: Exclude<ToFollower, { kind: "run" } | { kind: "start" }>): void {
    const core = this.#started();
    if (message.kind === "open") {
      const program = core.compile(message.spec);
      this.#open.set(message.trainer, { program, trainer: core.openTrainer(program, message.config) });
      return;
    }
    const { program, trainer } = this.#trainer(message.trainer);
    if (message.kind === "data") {
      core.setData(trainer, message.which, message.tokens, message.targets);
      return;
    }
    core.closeTrainer(trainer);
    core.closeProgram(program);
    this.#open.delete(message.trainer);
  }

  #run({ id, trainer: of, which, first, count, backward, step, params, spare }: RunRequest): FromFollower {
    const core = this.#started();
    const { trainer } = this.#trainer(of);
    if (params) core.writeTrainerState(trainer, 0, params);
    core.setTrainerStep(trainer, step);
    core.runLanes(trainer, which, first, count, backward);
    const lanes = Array.from({ length: count }, (_, i) => readLane(core, trainer, which, first + i, backward, spare[i]));
    return { id, lanes, ...(params ? { params } : {}) };
  }

  #started(): Core {
    if (this.#core) return this.#core;
    throw new Error("the follower was not started");
  }

  #trainer(id: number): Opened {
    const found = this.#open.get(id);
    if (found) return found;
    throw new Error(`the follower has no trainer ${id}`);
  }
}

/** A lane's numbers, in the memory of an earlier result where it fits. */
function readLane(core: Core, trainer: TrainerHandle, which: number, lane: number, backward: boolean, spare?: LaneResult): LaneResult {
  const sums = spare?.sums ?? new Float64Array(2);
  core.readLaneSums(trainer, which, lane, sums);
  if (!backward) return { lane, parts: [], sums };
  const parts = ([0, 1] as const).map((part) => {
    const length = core.laneLen(trainer, part);
    const old = spare?.parts[part];
    const out = old?.length === length ? old : new Float32Array(length);
    if (length > 0) core.readLane(trainer, lane, part, out);
    return out;
  });
  return { lane, parts, sums };
}
