/**
 * Training and analysis in a Web Worker, so that the page stays responsive: the same calls as in Node, each answered by the worker.
 *
 * @module
 */
import { type Parallel, TritlensError } from "../core/index.ts";
import type { ModAddAnalysis } from "../interp/index.ts";
import type { ModularAdditionOptions, TrainEvent, TrainingData } from "../train/index.ts";
import {
  type Answer,
  type CallName,
  type Calls,
  type CodeData,
  errorFromData,
  type TensorData,
  type WorkerAnalyzeOptions,
  type WorkerModel,
  type WorkerTrainOptions,
  type WorkerWasm,
} from "./protocol.ts";

export type { CallName, Calls, CodeData, Opened, TensorData, WorkerAnalyzeOptions, WorkerModel, WorkerTrainOptions, WorkerWasm } from "./protocol.ts";

/** What is needed of a `Worker`: a message port will do as well. */
export interface WorkerLike {
  /** Sends a request. */
  postMessage(message: unknown): void;
  /** Listens for answers. */
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  /** Listens for the worker's end. */
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  /** Ends the worker. */
  terminate?(): void;
}

/** Options of {@link openWorker}. */
export interface OpenWorkerOptions extends WorkerModel, WorkerWasm {
  /** The worker to use; a new one with this package's script when left out. It must run `tritlens/worker/entry`. */
  readonly worker?: WorkerLike;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A model that lives in a worker. */
export class ModelWorker {
  /** Kernels in use in the worker, `simd128` as a rule. */
  isa = "";
  /** How the worker uses several threads: `threads`, `workers` or `none`. */
  parallel: Parallel = "none";
  readonly #worker: WorkerLike;
  readonly #waiting: Map<number, Waiting> = new Map();
  #next = 0;
  #end: TritlensError | undefined;

  /** Use {@link openWorker}. */
  constructor(worker: WorkerLike) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => this.#settle(data));
    worker.addEventListener("error", (event: ErrorEvent) =>
      this.#fail(new TritlensError("E_DEAD", `the worker ended: ${event.message || "its script did not load"}`)),
    );
  }

  /**
   * As `train` of `tritlens/train`, in the worker. The model stands still while an event is held, so that it can be analysed in between.
   *
   * @param data - Options of the modular-addition task (made in the worker), or examples of one's own.
   * @param signal - Ends the run with E_ABORTED.
   */
  async *train(
    data: TrainingData | ModularAdditionOptions,
    options: WorkerTrainOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<TrainEvent, void, undefined> {
    signal?.throwIfAborted();
    const abort = (): void => void this.call("abort", undefined).catch(() => undefined);
    signal?.addEventListener("abort", abort);
    try {
      await this.call("train", { data, options });
      for (let event = await this.call("next", undefined); !event.done; event = await this.call("next", undefined)) yield event.value;
    } finally {
      signal?.removeEventListener("abort", abort);
      if (!this.#end) await this.call("stop", undefined);
    }
  }

  /** As `analyzeModAdd` of `tritlens/interp`, in the worker. */
  analyze(options: WorkerAnalyzeOptions): Promise<ModAddAnalysis> {
    return this.call("analyze", options);
  }

  /** Replaces the latent parameters, all of them or none. */
  load(parameters: ReadonlyMap<string, TensorData>): Promise<undefined> {
    return this.call("load", parameters);
  }

  /** The latent parameters by name. */
  parameters(): Promise<ReadonlyMap<string, TensorData>> {
    return this.call("parameters", undefined);
  }

  /** Integer codes of a quantised parameter. */
  codes(name: string): Promise<CodeData> {
    return this.call("codes", name);
  }

  /** Threads the worker trains with. */
  threads(): Promise<number> {
    return this.call("threads", undefined);
  }

  /** Ends the worker and gives its memory back; calls that wait are rejected with E_CLOSED. */
  close(): void {
    this.#fail(new TritlensError("E_CLOSED", "the worker was closed"));
    this.#worker.terminate?.();
  }

  /** One request and its answer. */
  call<N extends CallName>(call: N, args: Parameters<Calls[N]>[0]): Promise<ReturnType<Calls[N]>> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.#worker.postMessage({ id, call, args });
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting?.reject(errorFromData(answer.error));
    else waiting?.resolve(answer.result);
  }

  #fail(error: TritlensError): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/**
 * Starts a worker with a model in it.
 *
 * @throws E_SPEC for a wrong config, E_RANGE for a wrong seed, E_BACKEND when the WASM module cannot be loaded, E_DEAD when the script cannot.
 * @example
 * ```ts
 * const worker = await openWorker({ config: liConfig({ p: 113, mode: "li_ternary" }), seed: 0 });
 * for await (const event of worker.train({ p: 113 }, { steps: 5000 })) draw(event.step, event.loss);
 * const { trainIndices } = modularAddition({ p: 113 });
 * const analysis = await worker.analyze({ p: 113, trainIndices });
 * worker.close();
 * ```
 */
export async function openWorker({ worker, ...model }: OpenWorkerOptions): Promise<ModelWorker> {
  // This form of the call is what bundlers look for when they bring the script along.
  const opened = new ModelWorker(worker ?? new Worker(new URL("./entry.js", import.meta.url), { type: "module" }));
  Object.assign(opened, await opened.call("open", model));
  return opened;
}
