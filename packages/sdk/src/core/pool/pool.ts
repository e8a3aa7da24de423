/**
 * A core that trains on several instances of itself without shared memory: each follower (a Web Worker, a thread of Node) has its own instance with the
 * same program and data, computes a share of a step's lanes, and hands their gradients over as transferred arrays; the leader adds the lanes in their order
 * and updates the parameters. A step always has the same lanes, so the result has the same bits as that of one thread, however many workers there are and
 * whichever of them fail on the way: what a follower did not do, the leader does.
 */
import type { Core, ProgramHandle, TrainerHandle } from "../core.ts";
import { TritlensError } from "../errors.ts";
import { type Ask, deal, Helper, type Share } from "./crew.ts";
import type { LaneResult, Line } from "./messages.ts";

/** Milliseconds a step has to take for sharing to pay: handing over gradients and waiting for messages takes a good part of one. */
const WORTH_SHARING = 2;

/** What a pool needs from its surroundings. */
export interface PoolOptions {
  /** The compiled module, which followers instantiate. */
  readonly module: () => WebAssembly.Module;
  /** Starts a follower. */
  readonly spawn: () => Line;
  /** Says why the pool became smaller. */
  readonly notice: (line: string) => void;
}

/** What followers have to be told of a trainer, and what is known of its speed. */
interface Known {
  readonly spec: string;
  readonly config: string;
  readonly lanes: number;
  readonly sets: Map<number, { readonly tokens: Int32Array; readonly targets: Int32Array }>;
  /** Which parameters it has. */
  version: number;
  params: Float32Array | undefined;
  busy: boolean;
  cancelled: boolean;
  /** Milliseconds of one step, and of one evaluation of each set, on one thread. */
  stepTime: number | undefined;
  readonly evaluationTimes: Map<number, number>;
}

/** Calls that a trainer in use refuses, as the addon does. */
const EXCLUSIVE = ["setData", "trainerStep", "readTrainerState", "writeTrainerState", "setTrainerStep"] as const;

/** Wraps `base`. One thread is used until `setThreads` asks for more. */
export function pooledCore(base: Core, options: PoolOptions): Core {
  return new Pool(base, options).core();
}

class Pool {
  readonly #base: Core;
  readonly #options: PoolOptions;
  readonly #specs: Map<ProgramHandle, string> = new Map();
  readonly #trainers: Map<TrainerHandle, Known> = new Map();
  #helpers: Helper[] = [];
  #threads = 1;

  constructor(base: Core, options: PoolOptions) {
    this.#base = base;
    this.#options = options;
  }

  /** The base with the calls replaced that concern trainers. */
  core(): Core {
    const base = this.#base;
    const core: Core = {
      ...base,
      info: () => ({ ...base.info(), threads: this.#threads, parallel: "workers" }),
      setThreads: (threads) => this.#setThreads(threads),
      compile: (spec) => {
        const program = base.compile(spec);
        this.#specs.set(program, spec);
        return program;
      },
      closeProgram: (program) => {
        this.#specs.delete(program);
        base.closeProgram(program);
      },
      openTrainer: (program, config) => this.#openTrainer(program, config),
      trainSteps: (trainer, n, out) => this.#exclusively(trainer, () => this.#trainSteps(trainer, n, out)),
      evaluate: (trainer, which) => this.#exclusively(trainer, () => this.#evaluate(trainer, which)),
      cancelTrainer: (trainer) => {
        base.cancelTrainer(trainer);
        const known = this.#trainers.get(trainer);
        if (known) known.cancelled = true;
      },
      closeTrainer: (trainer) => {
        if (this.#trainers.delete(trainer)) for (const helper of this.#helpers) if (helper.knows(trainer)) helper.tell({ kind: "close", trainer });
        base.closeTrainer(trainer);
      },
    };
    for (const name of EXCLUSIVE) {
      const call = base[name] as (trainer: TrainerHandle, ...rest: unknown[]) => unknown;
      Object.assign(core, {
        [name]: (trainer: TrainerHandle, ...rest: unknown[]) => {
          this.#refuseBusy(trainer);
          return call(trainer, ...rest);
        },
      });
    }
    const { setData, writeTrainerState } = core;
    core.setData = (trainer, which, tokens, targets) => {
      setData(trainer, which, tokens, targets);
      this.#dataWasSet(trainer, which, tokens.slice(), targets.slice());
    };
    core.writeTrainerState = (trainer, kind, data) => {
      writeTrainerState(trainer, kind, data);
      this.#changed(this.#trainers.get(trainer));
    };
    return core;
  }

  #setThreads(threads: number): number {
    this.#base.setThreads(threads);
    this.#threads = threads;
    for (const helper of this.#helpers.splice(Math.max(0, threads - 1))) helper.close();
    return threads;
  }

  #openTrainer(program: ProgramHandle, config: string): TrainerHandle {
    const trainer = this.#base.openTrainer(program, config);
    const { lanes } = this.#base.describeTrainer(trainer);
    const spec = this.#specs.get(program) ?? "";
    const times = { stepTime: undefined, evaluationTimes: new Map() };
    this.#trainers.set(trainer, { spec, config, lanes, sets: new Map(), version: 0, params: undefined, busy: false, cancelled: false, ...times });
    return trainer;
  }

  #dataWasSet(trainer: TrainerHandle, which: number, tokens: Int32Array, targets: Int32Array): void {
    const known = this.#trainers.get(trainer);
    if (!known) return;
    known.sets.set(which, { tokens, targets });
    known.evaluationTimes.delete(which);
    if (which === 0) known.stepTime = undefined;
    for (const helper of this.#helpers) if (helper.knows(trainer)) helper.tell({ kind: "data", trainer, which, tokens, targets });
  }

  #changed(known: Known | undefined): void {
    if (!known) return;
    known.version += 1;
    known.params = undefined;
  }

  #refuseBusy(trainer: TrainerHandle): void {
    if (this.#trainers.get(trainer)?.busy) throw new TritlensError("E_BUSY", "the trainer is in use by another call");
  }

  async #exclusively<T>(trainer: TrainerHandle, body: () => Promise<T>): Promise<T> {
    this.#refuseBusy(trainer);
    const known = this.#trainers.get(trainer);
    if (!known) return body();
    known.busy = true;
    try {
      return await body();
    } finally {
      known.busy = false;
    }
  }

  async #trainSteps(trainer: TrainerHandle, n: number, out: Float64Array): Promise<number> {
    const known = this.#trainers.get(trainer);
    const columns = known ? this.#base.describeTrainer(trainer).columns.length : 0;
    // Wrong arguments are for the base to name.
    if (!known || this.#threads < 2 || !known.sets.has(0) || out.length < n * columns) return this.#alone(known, trainer, n, out);
    known.cancelled = false;
    let done = 0;
    while (done < n && !known.cancelled) {
      const row = out.subarray(done * columns, (done + 1) * columns);
      if (known.stepTime === undefined) known.stepTime = await timed(() => this.#alone(known, trainer, 1, row));
      else if (known.stepTime < WORTH_SHARING) return done + (await this.#alone(known, trainer, n - done, out.subarray(done * columns)));
      else await this.#sharedStep(known, trainer, row);
      done += 1;
    }
    return done;
  }

  async #alone(known: Known | undefined, trainer: TrainerHandle, n: number, out: Float64Array): Promise<number> {
    try {
      return await this.#base.trainSteps(trainer, n, out);
    } finally {
      this.#changed(known);
    }
  }

  async #sharedStep(known: Known, trainer: TrainerHandle, row: Float64Array): Promise<void> {
    await this.#runShared(known, trainer, 0, true);
    try {
      this.#base.finishStep(trainer, row);
    } finally {
      this.#changed(known);
    }
  }

  async #evaluate(trainer: TrainerHandle, which: number): Promise<[number, number]> {
    const known = this.#trainers.get(trainer);
    const time = known?.evaluationTimes.get(which);
    if (!known || this.#threads < 2 || (time ?? 0) < WORTH_SHARING) {
      const began = performance.now();
      const found = await this.#base.evaluate(trainer, which);
      known?.evaluationTimes.set(which, performance.now() - began);
      return found;
    }
    await this.#runShared(known, trainer, which, false);
    return this.#base.finishEvaluation(trainer, which);
  }

  /** Computes every lane, each somewhere, and gathers them in the base. */
  async #runShared(known: Known, trainer: TrainerHandle, which: number, backward: boolean): Promise<void> {
    const helpers = this.#ready(known, trainer);
    const [own, ...shares] = deal(known.lanes, helpers.length + 1) as [Share, ...Share[]];
    const { version } = known;
    const step = this.#base.trainerStep(trainer);
    const params = (): Float32Array => this.#params(known, trainer);
    const answers = helpers.map((helper, i) => this.#ask(helper, { ...(shares[i] as Share), trainer, which, backward, step, params, version }));
    const run = ({ first, count }: Share): void => this.#base.runLanes(trainer, which, first, count, backward);
    run(own);
    for (const [i, lanes] of (await Promise.all(answers)).entries()) {
      if (lanes) this.#take(trainer, which, backward, lanes);
      else run(shares[i] as Share);
      if (lanes) helpers[i]?.recycle(lanes);
    }
  }

  /** A follower's lanes, or null and a follower less. */
  async #ask(helper: Helper, ask: Ask): Promise<readonly LaneResult[] | null> {
    try {
      return await helper.run(ask);
    } catch (error) {
      this.#lose(helper, error);
      return null;
    }
  }

  #lose(helper: Helper, error: unknown): void {
    this.#options.notice(`tritlens: a worker is of no use any more (${error instanceof Error ? error.message : error}); training goes on without it`);
    this.#helpers = this.#helpers.filter((other) => other !== helper);
    this.#threads = Math.max(1, this.#threads - 1);
    helper.close();
  }

  #take(trainer: TrainerHandle, which: number, backward: boolean, lanes: readonly LaneResult[]): void {
    for (const { lane, parts, sums } of lanes) {
      for (const [part, data] of parts.entries()) if (data.length > 0) this.#base.writeLane(trainer, lane, part, data);
      this.#base.writeLaneSums(trainer, which, lane, sums, backward);
    }
  }

  #params(known: Known, trainer: TrainerHandle): Float32Array {
    if (known.params) return known.params;
    known.params = new Float32Array(this.#base.laneLen(trainer, 0));
    this.#base.readTrainerState(trainer, 0, known.params);
    return known.params;
  }

  /** The followers, started and told of the trainer. More than one a lane would have nothing to do. */
  #ready(known: Known, trainer: TrainerHandle): Helper[] {
    const wanted = Math.min(this.#threads, known.lanes) - 1;
    try {
      while (this.#helpers.length < wanted) this.#helpers.push(new Helper(this.#options.spawn(), this.#options.module()));
    } catch (error) {
      this.#options.notice(
        `tritlens: no more workers (${error instanceof Error ? error.message : error}); training goes on with ${this.#helpers.length + 1}`,
      );
      this.#threads = this.#helpers.length + 1;
    }
    const helpers = this.#helpers.slice(0, Math.max(0, wanted));
    for (const helper of helpers.filter((one) => !one.knows(trainer))) {
      helper.tell({ kind: "open", trainer, spec: known.spec, config: known.config });
      for (const [which, { tokens, targets }] of known.sets) helper.tell({ kind: "data", trainer, which, tokens, targets });
    }
    return helpers;
  }
}

async function timed(body: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await body();
  return performance.now() - began;
}
