/** What crosses between a page and its worker: one request, one answer. */
import { type ErrorCode, type ErrorDetails, type Parallel, TritlensError } from "../core/index.ts";
import type { AnalyzeModelOptions, ModAddAnalysis } from "../interp/index.ts";
import type { TransformerOptions } from "../models/index.ts";
import type { ModularAdditionOptions, TrainEvent, TrainingData, TrainOptions, Until } from "../train/index.ts";

/** The model a worker holds. */
export interface WorkerModel {
  /** Its architecture. */
  readonly config: TransformerOptions;
  /** Seed of the initial weights; 0 when left out. */
  readonly seed?: number;
}

/** Where the worker gets its WASM module from; the package's own file when both are left out. */
export interface WorkerWasm {
  /** Address of the module. */
  readonly wasmUrl?: string;
  /** A compiled module: compile once, post to many workers. */
  readonly wasmModule?: WebAssembly.Module;
  /** How it uses several threads; what is there when left out. */
  readonly parallel?: "auto" | Parallel;
  /** Threads to train with; as many as the machine has, at most 4, when left out. The weights do not depend on it. */
  readonly threads?: number;
}

/** Training options that are plain data. */
export interface WorkerTrainOptions extends Omit<TrainOptions, "signal" | "checkpoint" | "until"> {
  /** Ends the run once test accuracy has held. */
  readonly until?: Until;
}

/** Analysis options that are plain data. */
export interface WorkerAnalyzeOptions extends Omit<AnalyzeModelOptions, "untrained"> {
  /** Compare with an untrained model of the same seed. */
  readonly baseline?: boolean;
}

/** A tensor as data. */
export interface TensorData {
  /** Lengths of its axes. */
  readonly shape: readonly number[];
  /** Its numbers, row-major. */
  readonly data: Float32Array;
}

/** Codes of a quantised matrix. */
export interface CodeData {
  /** [out, in]. */
  readonly shape: readonly number[];
  /** -1, 0 or 1, row-major. */
  readonly codes: Int8Array;
  /** What the codes are multiplied with; 1 for `li_binary`. */
  readonly scale: number;
}

/** What a worker tells of the core it loaded. */
export interface Opened {
  /** Its instruction set. */
  readonly isa: string;
  /** How it uses several threads. */
  readonly parallel: Parallel;
}

/** Every call a worker answers, with its argument and its answer. */
export interface Calls {
  /** Replaces the worker's model. */
  open(args: WorkerModel & WorkerWasm): Opened;
  /** Prepares a training run; `next` drives it. */
  train(args: { data: TrainingData | ModularAdditionOptions; options: WorkerTrainOptions }): undefined;
  /** Trains up to the next event. */
  next(args: undefined): IteratorResult<TrainEvent, void>;
  /** Ends the run at a whole step. */
  stop(args: undefined): undefined;
  /** Aborts the run while `next` is awaited, which then fails with E_ABORTED. */
  abort(args: undefined): undefined;
  /** Analyses the model as it is. */
  analyze(args: WorkerAnalyzeOptions): ModAddAnalysis;
  /** Replaces the parameters. */
  load(args: ReadonlyMap<string, TensorData>): undefined;
  /** Reads the parameters. */
  parameters(args: undefined): ReadonlyMap<string, TensorData>;
  /** Reads the codes of one parameter. */
  codes(args: string): CodeData;
  /** Threads in use. */
  threads(args: undefined): number;
}

/** Name of a call. */
export type CallName = keyof Calls;

/** A request. */
export interface Request<N extends CallName = CallName> {
  readonly id: number;
  readonly call: N;
  readonly args: Parameters<Calls[N]>[0];
}

/** An error as data. */
export interface ErrorData extends Omit<ErrorDetails, "cause"> {
  readonly code: ErrorCode;
  readonly message: string;
}

/** The answer to the request of the same id. */
export type Answer = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: ErrorData };

/** An error for the way; what is not a {@link TritlensError} becomes E_PANIC with its text. */
export function errorData(error: unknown): ErrorData {
  if (!(error instanceof TritlensError)) return { code: "E_PANIC", message: String(error) };
  const { code, message, expected, found, nearest } = error;
  return {
    code,
    message: message.slice(code.length + 2),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...(nearest === undefined ? {} : { nearest }),
  };
}

/** The error that was sent, of the same class and with the same parts. */
export function errorFromData({ code, message, ...details }: ErrorData): TritlensError {
  // The message already holds the details in words, so they are attached and not composed a second time.
  return Object.assign(new TritlensError(code, message), details);
}
