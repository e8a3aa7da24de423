/** The worker's side: holds one model, answers one call after another. Knows nothing of workers, so that it can be tested in Node. */
import { loadCore, TritlensError } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { analyzeModAdd } from "../interp/index.ts";
import { Tensor } from "../tensor/index.ts";
import { modularAddition, type TrainEvent, train } from "../train/index.ts";
import type { Calls, WorkerModel } from "./protocol.ts";

type Answers = { [N in keyof Calls]: (args: Parameters<Calls[N]>[0]) => ReturnType<Calls[N]> | Promise<ReturnType<Calls[N]>> };

/** Makes the functions that answer the calls. */
export function workerService(): Answers {
  let made: WorkerModel | undefined;
  let model: Model | undefined;
  let events: AsyncGenerator<TrainEvent, void, undefined> | undefined;
  let abort = new AbortController();
  const opened = (): Model => {
    if (model) return model;
    throw new TritlensError("E_CLOSED", "the worker holds no model", { expected: "`open` first", found: "no model" });
  };
  return {
    async open({ wasmUrl, wasmModule, parallel, threads, ...wanted }) {
      const source = { ...(wasmUrl ? { wasmUrl } : {}), ...(wasmModule ? { wasmModule } : {}) };
      const core = await loadCore({ ...source, ...(parallel ? { parallel } : {}), threads: threads ?? defaultThreads() });
      const next = Model.fromConfig(wanted.config, { core, seed: wanted.seed ?? 0 });
      model?.dispose();
      [model, made] = [next, wanted];
      const { isa, parallel: inUse } = core.info();
      return { isa, parallel: inUse };
    },
    async train({ data, options }) {
      await events?.return();
      abort = new AbortController();
      events = train(opened(), "train" in data ? data : modularAddition(data), { ...options, signal: abort.signal });
      return undefined;
    },
    async next() {
      if (!events) throw new TritlensError("E_CLOSED", "no training was started", { expected: "`train` first", found: "no training" });
      return events.next();
    },
    async stop() {
      await events?.return();
      return undefined;
    },
    abort() {
      abort.abort(new TritlensError("E_ABORTED", "training was aborted"));
      return undefined;
    },
    analyze({ baseline, ...options }) {
      const fresh = baseline && made ? Model.fromConfig(made.config, { core: opened().core, seed: made.seed ?? 0 }) : undefined;
      return analyzeModAdd(opened(), { ...options, ...(fresh ? { untrained: fresh } : {}) }).finally(() => fresh?.dispose());
    },
    load(parameters) {
      opened().loadStateDict(new Map([...parameters].map(([name, { shape, data }]) => [name, Tensor.from(data, shape)])));
      return undefined;
    },
    parameters: () => new Map([...opened().stateDict()].map(([name, { shape, data }]) => [name, { shape, data }])),
    codes(name) {
      const { shape, codes, scale } = opened().paramCodes(name);
      return { shape, codes, scale };
    },
    threads: () => opened().core.info().threads,
  };
}

/** More than four do not help a step. */
function defaultThreads(): number {
  return Math.max(1, Math.min(4, globalThis.navigator?.hardwareConcurrency ?? 1));
}
