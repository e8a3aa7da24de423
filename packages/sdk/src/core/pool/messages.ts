/** What crosses between the instance that trains (the leader) and those that compute lanes for it (the followers). */

/** The two parts of a lane's gradient (of the parameters, of the shared activations) with its loss and hits. */
export interface LaneResult {
  readonly lane: number;
  /** Empty when only the loss was asked for. */
  readonly parts: readonly Float32Array<ArrayBuffer>[];
  readonly sums: Float64Array<ArrayBuffer>;
}

/** Compute lanes `first..first + count` of a data set. */
export interface RunRequest {
  readonly kind: "run";
  readonly id: number;
  readonly trainer: number;
  readonly which: number;
  readonly first: number;
  readonly count: number;
  readonly backward: boolean;
  /** Steps taken so far: which mini-batch it is depends on it. */
  readonly step: number;
  /** The parameters, when they changed since the request before; comes back for the next time. */
  readonly params?: Float32Array<ArrayBuffer>;
  /** Results of an earlier request, whose memory is written to again. */
  readonly spare: readonly LaneResult[];
}

/** From the leader. Only `run` is answered; what fails before it fails the next `run`. */
export type ToFollower =
  | { readonly kind: "start"; readonly module: WebAssembly.Module }
  | { readonly kind: "open"; readonly trainer: number; readonly spec: string; readonly config: string }
  | { readonly kind: "data"; readonly trainer: number; readonly which: number; readonly tokens: Int32Array; readonly targets: Int32Array }
  | { readonly kind: "close"; readonly trainer: number }
  | RunRequest;

/** From a follower. */
export type FromFollower =
  | { readonly id: number; readonly lanes: readonly LaneResult[]; readonly params?: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly error: string };

/** The memory of a message that is moved and not copied. */
export function movable(lanes: readonly LaneResult[], params?: Float32Array<ArrayBuffer>): ArrayBuffer[] {
  const arrays = lanes.flatMap(({ parts, sums }) => [...parts, sums]);
  return [...arrays.map((array) => array.buffer), ...(params ? [params.buffer] : [])];
}

/** A follower's end of the line, or the leader's: a Web Worker, a thread of Node, or a port in tests. */
export interface Line {
  /** Sends; `transfer` is moved. */
  send(message: unknown, transfer: readonly ArrayBuffer[]): void;
  /** Sets who listens. */
  listen(onMessage: (message: unknown) => void, onEnd: (reason: string) => void): void;
  /** Whether the line keeps the process alive. */
  hold(held: boolean): void;
  /** Ends the other side. */
  end(): void;
}
