/**
 * The boundary to the Rust core: the only interface through which TypeScript reaches it. Two adapters implement it, `native.ts` (Node addon)
 * and `wasm.ts` (WebAssembly); nothing above this file knows which one runs. Only numbers, strings and typed arrays cross.
 *
 * Every call that fails throws a {@link TritlensError} (see errors.ts) with the core's stable code.
 */

/** What `info` tells of a loaded core. */
export interface CoreInfo {
  /** Version of the Rust core. */
  version: string;
  /** Instruction set whose kernels are in use: `scalar`, `simd128` in WebAssembly, and natively names such as `avx2` and `neon`. */
  isa: string;
  /** Every instruction set this machine and build can run, best first. */
  isas: string[];
  /** Threads in use. */
  threads: number;
  /**
   * What more than one thread would be: `threads` (a pool that shares memory: native, and WebAssembly where the page is cross-origin isolated), `workers`
   * (instances that hand gradients over), `none`.
   */
  parallel: Parallel;
}

/** How a core can use several threads. */
export type Parallel = "threads" | "workers" | "none";

/** One parameter of a compiled program. Matrices of linear layers are stored `[out, in]`, row-major. */
export interface ParamInfo {
  /** Name in the Spec. */
  name: string;
  /** [out, in] for matrices. */
  shape: number[];
  /** Offset in the flat parameter vector (elements). */
  offset: number;
  /** Number of elements. */
  length: number;
  /** Quantiser applied in the forward pass, `none` for full precision. */
  quant: string;
  /** Whether it is a matrix of a checkpoint, which has no place in the flat vector. */
  stored: boolean;
}

/** What `describeStored` tells. */
export interface StoredInfo {
  /** Format in memory, as `openStored` names them; empty while nothing is loaded. */
  format: string;
  /** Bytes in memory. */
  bytes: number;
  /** Outputs. */
  rows: number;
  /** Inputs. */
  cols: number;
  /** Columns that share a scale, 0 for formats without. */
  group: number;
  /** Number of scales beside the codes. */
  scales: number;
  /** Number of shifts. */
  shifts: number;
}

/** One named activation of a compiled program. */
export interface SiteInfo {
  /** Name in the Spec. */
  name: string;
}

/** What `describe` tells of a program. */
export interface ProgramInfo {
  /** Parameters, in the order of the flat vector. */
  params: ParamInfo[];
  /** Length of the flat parameter vector (elements). */
  paramLength: number;
  /** Sites, in firing order. */
  sites: SiteInfo[];
}

/** Where a site lies in a run's arena (elements of f32). Offsets do not change while the run is open. */
export interface SitePlace {
  /** First element of the value. */
  offset: number;
  /** Number of elements. */
  length: number;
  /** Extents, with the run's batch and sequence filled in. */
  shape: number[];
  /** Offset of the gradient twin, or -1 when the run was opened without gradients. */
  gradOffset: number;
}

/** What `describeRun` tells. */
export interface RunInfo {
  /** Elements the arena has. */
  arenaLength: number;
  /** Places of the sites, in the order of the program's. */
  sites: SitePlace[];
  /** Place of the program's output (logits). */
  output: SitePlace;
}

/** What `planInference` tells, in bytes. */
export interface InferencePlan {
  /** Activations of the run. */
  arena: number;
  /** Buffers of products and tables of angles. */
  scratch: number;
  /** Keys and values of the session. */
  cache: number;
  /** Parameters as they are in memory now. */
  weights: number;
}

/** What `describeTrainer` tells: the names of the numbers written per step by `trainSteps`. */
export interface TrainerInfo {
  /** `loss`, `lr`, and `flips.NAME` for every quantised parameter. */
  columns: string[];
  /** Parts every step is cut into, and the most threads it can use. */
  lanes: number;
}

/** A compiled program. A plain number, branded so that handles cannot be mixed up. */
export type ProgramHandle = number & {
  /** Brand; exists in types only. */
  readonly __program: unique symbol;
};
/** An open run. A plain number, branded so that handles cannot be mixed up. */
export type RunHandle = number & {
  /** Brand; exists in types only. */
  readonly __run: unique symbol;
};
/** An open session: keys and values of the positions that were run. A plain number, branded so that handles cannot be mixed up. */
export type SessionHandle = number & {
  /** Brand; exists in types only. */
  readonly __session: unique symbol;
};
/** An open trainer. A plain number, branded so that handles cannot be mixed up. */
export type TrainerHandle = number & {
  /** Brand; exists in types only. */
  readonly __trainer: unique symbol;
};

/** An open packed layer. A plain number, branded so that handles cannot be mixed up. */
export type PackedHandle = number & {
  /** Brand; exists in types only. */
  readonly __packed: unique symbol;
};

/** What `describePacked` tells. */
export interface PackedInfo {
  /** `binary`, `ternary2` or `ternary5`. */
  format: string;
  /** Outputs. */
  rows: number;
  /** Inputs. */
  cols: number;
  /** Columns of a group; equal to `cols` when there are no groups. */
  group: number;
  /** Bytes of the packed codes. */
  bytes: number;
  /** Number of scales: 1, `rows`, or `rows` times the groups. */
  scales: number;
  /** Number of shifts: 0, or `rows` times the groups. */
  shifts: number;
}

/** `step` and `stepBack` return this when there is nothing left to do. */
export const DONE = -1;

/** The whole surface of the Rust core, as TypeScript sees it. */
export interface Core {
  /** Which binding runs. */
  readonly backend: "native" | "wasm";

  /** Version, instruction sets and threads. */
  info(): CoreInfo;
  /** Sets the number of threads; returns what is in force (1 where `info().parallel` is `none`). E_RANGE outside of 1 to 256. */
  setThreads(threads: number): number;

  /** Compiles a Spec (JSON, see spec/spec.ts) into a program. */
  compile(spec: string): ProgramHandle;
  /** Parameters and sites of a program. */
  describe(program: ProgramHandle): ProgramInfo;
  /** Forgets a program. Open runs and trainers of it keep what they need. */
  closeProgram(program: ProgramHandle): void;
  /** Fills every parameter from the counter-based generator, as its `init` in the Spec says. `seed` is an integer in [0, 2^53). */
  init(program: ProgramHandle, seed: number): void;
  /** Copies a latent parameter into `out`. */
  readParam(program: ProgramHandle, param: number, out: Float32Array): void;
  /** Replaces a latent parameter. */
  writeParam(program: ProgramHandle, param: number, data: Float32Array): void;
  /** The matrix the forward pass multiplies with: quantised and dequantised; the latent one when `quant` is `none`. */
  effectiveParam(program: ProgramHandle, param: number, out: Float32Array): void;
  /** Integer codes (-1, 0, 1) of a quantised parameter; returns the scale. E_NAME when the parameter is not quantised. */
  paramCodes(program: ProgramHandle, param: number, out: Int8Array): number;

  /**
   * Bytes of a stored matrix [rows, cols] in a format: `f32`, `f16`, `bf16`, `q8_0`, `q4_0`, `q4_k`, `q6_k`, `q1_0`, `q2_0`, `tq1_0`, `tq2_0`, `i2_s`, `i2_s_neon`, `hf`,
   * `binary`, `ternary2`, `ternary5`. E_NAME for another one, E_SHAPE when columns are no whole blocks.
   */
  storedBytes(format: string, rows: number, cols: number): number;
  /** Begins to fill a stored parameter. `scale` is what the codes of `hf` are multiplied with (else 1). E_SPEC when the parameter is not stored. */
  openStored(program: ProgramHandle, param: number, format: string, scale: number): void;
  /** Bytes at an offset, in any order; each byte of the matrix once. */
  writeStored(program: ProgramHandle, param: number, offset: number, bytes: Uint8Array): void;
  /** Checks what was written and puts the matrix in place. E_SHAPE when bytes are missing, E_FORMAT for codes that are none, E_NONFINITE for such a scale. */
  finishStored(program: ProgramHandle, param: number): void;
  /** Packs codes (-1, 0, 1) [rows, cols] into a stored parameter; format, group, scales and shifts as `openPackedCodes`. */
  setStoredCodes(
    program: ProgramHandle,
    param: number,
    format: string,
    group: number,
    codes: Int8Array,
    scales: Float32Array,
    shifts: Float32Array,
  ): void;
  /** Format, shape and sizes of a stored parameter. */
  describeStored(program: ProgramHandle, param: number): StoredInfo;
  /** Rows `first` to `first + count` of a stored matrix as f32 [count, cols]. */
  readStoredRows(program: ProgramHandle, param: number, first: number, count: number, out: Float32Array): void;
  /** Codes [rows, cols] of a packed stored matrix. */
  readStoredCodes(program: ProgramHandle, param: number, out: Int8Array): void;
  /** Scales (kind 0) or shifts (kind 1) of a stored matrix. */
  readStoredScales(program: ProgramHandle, param: number, kind: 0 | 1, out: Float32Array): void;
  /** Writes a stored matrix in another layout (`storedBytes` long); returns its scale. E_FORMAT when something would be lost. */
  exportStored(program: ProgramHandle, param: number, layout: string, out: Uint8Array): number;

  /** Opens a run over `batch` x `seq` tokens. With `grads` 1 there is room for gradients of activations and `stepBack` works; with 2 those of parameters are computed as well. */
  openRun(program: ProgramHandle, batch: number, seq: number, grads: 0 | 1 | 2): RunHandle;
  /**
   * Opens a session with room for the keys and values of `capacity` positions of `batch` sequences. E_SPEC when attention is not causal, E_RANGE for sizes outside of
   * the context, E_MEMORY.
   */
  openSession(program: ProgramHandle, batch: number, capacity: number): SessionHandle;
  /** Positions that a session holds. */
  sessionLength(session: SessionHandle): number;
  /** Goes back to the first `length` positions. */
  rewindSession(session: SessionHandle, length: number): void;
  /** Forgets a session. */
  closeSession(session: SessionHandle): void;
  /**
   * Opens a forward run over `seq` new positions whose activations share memory. Only sites with a non-zero byte in `listen` can be looked at (paused at, edited), and only while
   * the run stands there; `session` 0 is none. With `lastOnly` the output is [batch, class] of the last position. Once `step` is DONE the session is longer by `seq`;
   * `setTokens` goes on from there.
   */
  openInference(program: ProgramHandle, session: SessionHandle | 0, batch: number, seq: number, listen: Uint8Array, lastOnly: boolean): RunHandle;
  /** Bytes that such a run and its session would take. */
  planInference(program: ProgramHandle, batch: number, seq: number, capacity: number, listen: Uint8Array, lastOnly: boolean): InferencePlan;
  /**
   * Runs variants of one run together. `shape` holds batch, seq, 1 for the last position's logits only (else 0), and each variant's number of edits; `edits` and `floats`
   * are those of `setEdits`, with two more kinds: 6 (the box of a whole site) and 7 (hold what the plain run has). `out` receives the logits [1 + variants, batch,
   * positions, classes], the plain run's first; `classes` chooses some of them (empty: all).
   */
  sweep(
    program: ProgramHandle,
    shape: Uint32Array,
    tokens: Int32Array,
    edits: Int32Array,
    floats: Float32Array,
    classes: Int32Array,
    out: Float32Array,
  ): void;
  /** Where a site of any run lies now: [offset, length, offset of the gradient or -1, number of axes, extents...]; site -1 is the output. `out` has 8 numbers. */
  sitePlace(run: RunHandle, site: number, out: Float64Array): void;
  /** Where the activations of a run lie in its arena (a run of `openRun`). */
  describeRun(run: RunHandle): RunInfo;
  /** A view of the run's arena, valid until the next call into the core. */
  arena(run: RunHandle): Float32Array;
  /** Sets the tokens (row-major [batch, seq]) and rewinds the run to its beginning; gradients are cleared. */
  setTokens(run: RunHandle, tokens: Int32Array): void;
  /** One byte a site: non-zero pauses there. `forward` for `step`, `backward` for `stepBack`. */
  setPause(run: RunHandle, forward: Uint8Array, backward: Uint8Array): void;
  /** Replaces the run's list of data edits (see hooks/edit.ts for the encoding). */
  setEdits(run: RunHandle, ints: Int32Array, floats: Float32Array): void;
  /** Runs forward to the next paused site and returns its index, or DONE. */
  step(run: RunHandle): number;
  /**
   * Mean cross-entropy (log-softmax in f64) of the output rows against `targets` (one an output row, -1 leaves the row out); also seeds the
   * gradient of the output when the run has gradients. The forward pass must be DONE.
   */
  loss(run: RunHandle, targets: Int32Array): number;
  /** Seeds the gradient of the output with `grad` (same length as the output), instead of `loss`. */
  seedGrad(run: RunHandle, grad: Float32Array): void;
  /** Runs backward to the next paused site (its gradient is complete) and returns its index, or DONE. */
  stepBack(run: RunHandle): number;
  /** Gradient of a latent parameter after `stepBack` is DONE. */
  readParamGrad(run: RunHandle, param: number, out: Float32Array): void;
  /** Forgets a run and its arena. */
  closeRun(run: RunHandle): void;

  /** Opens a trainer on a program. `config` is JSON, see train/config.ts. */
  openTrainer(program: ProgramHandle, config: string): TrainerHandle;
  /** Names of the numbers that `trainSteps` writes. */
  describeTrainer(trainer: TrainerHandle): TrainerInfo;
  /** Sets a data set: `which` 0 is trained on, 1 and above are for `evaluate`. `tokens` is [rows, seq], `targets` [rows]. */
  setData(trainer: TrainerHandle, which: number, tokens: Int32Array, targets: Int32Array): void;
  /**
   * Takes up to `n` steps off the JS thread where the backend can; `out` receives `columns` numbers a step. Resolves with the steps taken
   * (fewer only after `cancelTrainer` or a non-finite loss, which rejects with E_NONFINITE and leaves the parameters at the last good step).
   * The program's parameters are up to date when it resolves.
   */
  trainSteps(trainer: TrainerHandle, n: number, out: Float64Array): Promise<number>;
  /** Mean loss and accuracy on a data set: [loss, accuracy]. */
  evaluate(trainer: TrainerHandle, which: number): Promise<[loss: number, accuracy: number]>;
  /** Steps taken so far. */
  trainerStep(trainer: TrainerHandle): number;
  /** Reads flat optimiser state: 0 parameters, 1 first moments, 2 second moments. */
  readTrainerState(trainer: TrainerHandle, kind: 0 | 1 | 2, out: Float32Array): void;
  /** Replaces flat optimiser state; the kinds are those of `readTrainerState`. */
  writeTrainerState(trainer: TrainerHandle, kind: 0 | 1 | 2, data: Float32Array): void;
  /** Says how many steps were taken, after a resume. */
  setTrainerStep(trainer: TrainerHandle, step: number): void;
  /** Ends a running `trainSteps` after its current step. */
  cancelTrainer(trainer: TrainerHandle): void;
  /** Forgets a trainer. */
  closeTrainer(trainer: TrainerHandle): void;

  /**
   * A step shared out over several instances that hold the same program, data and parameters: each calls `runLanes` for some of the lanes, one of them
   * gathers what the others computed (`writeLane`, `writeLaneSums`) and ends the step. The result has the same bits as `trainSteps`.
   *
   * `laneLen` tells the elements of a lane's gradient: of the parameters (part 0), of the shared activations (part 1).
   */
  laneLen(trainer: TrainerHandle, part: number): number;
  /** Computes lanes `first` to `first + count` of data set `which`, with gradients (`backward`, set 0 alone) or only losses. */
  runLanes(trainer: TrainerHandle, which: number, first: number, count: number, backward: boolean): void;
  /** Copies part of a lane's gradient into `out`. */
  readLane(trainer: TrainerHandle, lane: number, part: number, out: Float32Array): void;
  /** Replaces part of a lane's gradient. */
  writeLane(trainer: TrainerHandle, lane: number, part: number, data: Float32Array): void;
  /** Reads a lane's loss and hits. */
  readLaneSums(trainer: TrainerHandle, which: number, lane: number, out: Float64Array): void;
  /** Replaces a lane's loss and hits, and says that it is complete (`backward`: its gradient, too). */
  writeLaneSums(trainer: TrainerHandle, which: number, lane: number, sums: Float64Array, backward: boolean): void;
  /** Ends a step whose lanes are complete; `out` receives `columns` numbers. E_SHAPE when a lane is missing, E_NONFINITE as `trainSteps`. */
  finishStep(trainer: TrainerHandle, out: Float64Array): void;
  /** Mean loss and accuracy on a data set whose lanes are complete. */
  finishEvaluation(trainer: TrainerHandle, which: number): [loss: number, accuracy: number];

  /** Bytes a packed matrix of [rows, cols] takes in a format: `binary`, `ternary2`, `ternary5`, `hf`, `tq1_0`, `tq2_0`, `q8_0`, `q4_0`, `q1_0`, `q2_0`, `i2_s`. */
  packedBytes(format: string, rows: number, cols: number): number;
  /** Packs codes (-1, 0, 1) row by row. Formats with scales in the block take `scale`. */
  packCodes(format: string, codes: Int8Array, rows: number, cols: number, scale: number, out: Uint8Array): void;
  /** Unpacks to codes. */
  unpackCodes(format: string, packed: Uint8Array, rows: number, cols: number, out: Int8Array): void;
  /** Quantises floats into a GGUF block format (`tq1_0`, `tq2_0`, `q8_0`, `q4_0`, `q1_0`, `q2_0`), as gguf-py does. */
  quantizeBlocks(format: string, values: Float32Array, cols: number, out: Uint8Array): void;
  /** Reads a GGUF block format back to floats, as gguf-py does. */
  dequantizeBlocks(format: string, packed: Uint8Array, cols: number, out: Float32Array): void;
  /** y[m, rows] = scale * x[m, cols] . W^T with packed W, f32 activations (exact products, fixed summation order). */
  packedMatmul(format: string, packed: Uint8Array, rows: number, cols: number, scale: number, x: Float32Array, m: number, y: Float32Array): void;
  /** y[m, rows] = x[m, cols] . W^T in integers. */
  packedMatmulInt8(format: string, packed: Uint8Array, rows: number, cols: number, x: Int8Array, m: number, y: Int32Array): void;
  /**
   * Opens a packed linear layer: each group of `group` columns (0: all) of each row packed as a row of its own, a weight is `scale * code + shift`. `scales` has 1, `rows`
   * or `rows * groups` numbers, `shifts` none or `rows * groups`. E_SHAPE, E_FORMAT (bytes that are no codes), E_NONFINITE.
   */
  openPacked(format: string, rows: number, cols: number, group: number, packed: Uint8Array, scales: Float32Array, shifts: Float32Array): PackedHandle;
  /** As `openPacked`, from codes [rows, cols] of -1, 0, +1. */
  openPackedCodes(
    format: string,
    rows: number,
    cols: number,
    group: number,
    codes: Int8Array,
    scales: Float32Array,
    shifts: Float32Array,
  ): PackedHandle;
  /** Opens a layer from another program's bytes: `tq1_0`, `tq2_0`, `q1_0`, `hf` (which takes `scale`), `i2_s`, `i2_s_neon`. */
  importPacked(layout: string, format: string, rows: number, cols: number, scale: number, bytes: Uint8Array): PackedHandle;
  /** Writes a layer in another program's layout (`packedBytes` long); returns its scale. E_FORMAT when something would be lost. */
  exportPacked(layer: PackedHandle, layout: string, out: Uint8Array): number;
  /** Format, shape and sizes of a packed layer. */
  describePacked(layer: PackedHandle): PackedInfo;
  /** Copies the packed bytes. */
  readPackedBytes(layer: PackedHandle, out: Uint8Array): void;
  /** Copies the codes [rows, cols]. */
  readPackedCodes(layer: PackedHandle, out: Int8Array): void;
  /** Copies the scales (kind 0) or shifts (kind 1). */
  readPackedScales(layer: PackedHandle, kind: 0 | 1, out: Float32Array): void;
  /** y[m, rows] = x[m, cols] . W^T; with `int8`, x is quantised row by row first and the products are integers. */
  packedForward(layer: PackedHandle, x: Float32Array, m: number, int8: boolean, y: Float32Array): void;
  /** dx[m, cols] = dy[m, rows] . W; the first call packs the transpose. */
  packedBackward(layer: PackedHandle, dy: Float32Array, m: number, dx: Float32Array): void;
  /** Forgets a packed layer. */
  closePacked(layer: PackedHandle): void;
  /** y[m, rows] = products of signs x . W^T, both packed as `binary`. */
  binaryMatmul(packed: Uint8Array, rows: number, cols: number, x: Uint8Array, m: number, y: Int32Array): void;
  /** int8 per-token quantisation: codes and scales (max|x| / 127 a row), half to even. */
  quantizeActivations(x: Float32Array, rows: number, cols: number, codes: Int8Array, scales: Float32Array): void;
  /** Codes of a latent matrix under a quantiser; returns the scale (1 for li_binary). */
  quantizeWeights(quant: string, w: Float32Array, codes: Int8Array): number;

  /** Dense f32 matrix product c[m, n] = a[m, k] . b[k, n] from the core's library. */
  matmul(a: Float32Array, b: Float32Array, m: number, k: number, n: number, out: Float32Array): void;
  /** Uniform [0,1) (kind 0) or standard normal (kind 1) numbers of the counter-based generator: stream `stream` of `seed`, from index 0. */
  random(seed: number, stream: number, kind: 0 | 1, out: Float32Array): void;
}
