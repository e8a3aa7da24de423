/** Long work in pieces: gives way to the event loop, says how far it is, and ends when it is aborted. */
import { type SweepProgress, TritlensError } from "tritlens";

/** What every long analysis takes. */
export interface WorkOptions {
  /** Ends the work between two pieces with E_ABORTED. */
  readonly signal?: AbortSignal;
  /** Called as pieces are done. What it throws ends the work. */
  readonly onProgress?: (progress: SweepProgress) => void;
}

/** Milliseconds between two turns of the event loop. */
const TURN = 25;

/** Counts the pieces of one piece of work. */
export class Work {
  readonly #what: string;
  readonly #total: number;
  readonly #options: WorkOptions;
  readonly #began: number = performance.now();
  #turned: number = performance.now();
  #done = 0;

  /**
   * @param what - Names the work in errors.
   * @param total - Number of pieces.
   */
  constructor(what: string, total: number, { signal, onProgress }: WorkOptions) {
    this.#what = what;
    this.#total = total;
    this.#options = { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) };
    this.#check();
  }

  /** Says that pieces are done, and gives way when it is time. @throws E_ABORTED. */
  async done(pieces = 1): Promise<void> {
    this.#done += pieces;
    const now = performance.now();
    const secondsLeft = ((now - this.#began) / 1000 / this.#done) * (this.#total - this.#done);
    this.#options.onProgress?.({ done: this.#done, total: this.#total, secondsLeft });
    if (now - this.#turned >= TURN) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#turned = performance.now();
    }
    this.#check();
  }

  #check(): void {
    requireGoing(this.#options.signal, this.#what);
  }
}

/** Ends what was aborted. @throws E_ABORTED with the signal's reason as its cause. */
export function requireGoing(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new TritlensError("E_ABORTED", `${what} was aborted`, { cause: signal.reason });
}
