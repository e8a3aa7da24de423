/// <reference lib="esnext.disposable" preserve="true" />
/** A text that grows: what was run before is kept as keys and values, and every activation of the new positions can be looked at and changed. */
import type { SessionHandle } from "../core/core.ts";
import { TritlensError } from "../core/errors.ts";
import type { Spec } from "../spec/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { ActivationCache } from "./cache.ts";
import { type AsyncHookFn, driveAsync, driveSync, type RunPlan, type Steps } from "./drive.ts";
import { type AsyncHook, type Hook, makePlan } from "./plan.ts";
import type { Run } from "./run.ts";
import { heard, type Runner } from "./runner.ts";
import type { NameFilter } from "./select.ts";
import { type TokenRows, type Tokens, toTokenRows } from "./tokens.ts";

/** How a session is opened. */
export interface SessionOptions {
  /** Most positions; the model's context when left out. Memory for all of them is taken at once. */
  readonly capacity?: number;
  /** Sequences that grow side by side (1). */
  readonly batch?: number;
}

/** Options of {@link Session.run}. */
export interface SessionRunOptions {
  /** Hooks on activations of the new positions; `key` axes of scores and patterns also have the earlier ones. */
  readonly hooks?: readonly Hook[];
  /** What to keep of the new positions; nothing when left out. */
  readonly names?: NameFilter;
  /** Logits of the last position only, [batch, class]: saves the unembedding of all others. */
  readonly lastOnly?: boolean;
}

/** Options of {@link Session.runAsync}. */
export interface AsyncSessionRunOptions extends Omit<SessionRunOptions, "hooks"> {
  /** Hooks, which may be asynchronous. */
  readonly hooks?: readonly AsyncHook[];
  /** Ends the run between two blocks with E_ABORTED; the session then is as it was before. */
  readonly signal?: AbortSignal;
}

/** What a run over new positions gives. */
export interface SessionRun {
  /** [batch, pos, class], or [batch, class] with `lastOnly`. */
  readonly logits: Tensor;
  /** What `names` asked for. */
  readonly cache: ActivationCache;
}

/** Tokens a run from which on an asynchronous one lets others work between its blocks. */
const LONG = 16;

/** Frees sessions that were dropped without `dispose()`. */
const backstop = new FinalizationRegistry<() => void>((close) => {
  try {
    close();
  } catch {
    // The instance behind it may be gone as well; nobody is left to tell.
  }
});

/**
 * Keys and values of the positions that were run, and runs that add to them. A run that fails, is aborted or whose hook throws leaves the session as it was.
 * Not for one prompt on its own: `model.forward` does that.
 *
 * @example
 * ```ts
 * using session = model.openSession({ capacity: 64 });
 * session.run([[5, 17, 3]]);
 * const { logits, cache } = session.run([[8]], { names: "blocks.*.attn.hook_pattern" });  // pattern [1, head, 1, 4]
 * ```
 */
export class Session {
  /** Sequences. */
  readonly batch: number;
  /** Most positions. */
  readonly capacity: number;
  readonly #runner: Runner;
  readonly #handle: SessionHandle;
  /** The last run and what it was opened for: steps of one token each use the same one. */
  #kept: { readonly key: string; readonly run: Run } | undefined;
  #running = false;
  #closed = false;
  /** What was run, a list a sequence. */
  readonly #tokens: number[][];

  /**
   * Use `model.openSession`.
   *
   * @internal
   */
  constructor(runner: Runner, spec: Spec, { capacity = spec.ctx, batch = 1 }: SessionOptions) {
    for (const [name, value] of [
      ["capacity", capacity],
      ["batch", batch],
    ] as const)
      if (!Number.isInteger(value) || value < 1 || value > 0x7fffffff)
        throw new TritlensError("E_RANGE", `${name} of a session is out of range`, { expected: "an integer of at least 1", found: String(value) });
    this.#runner = runner;
    this.capacity = capacity;
    this.batch = batch;
    this.#tokens = Array.from({ length: batch }, () => []);
    const { core } = runner;
    const handle = core.openSession(runner.program, batch, capacity);
    this.#handle = handle;
    backstop.register(this, () => core.closeSession(handle), this);
  }

  /** Positions so far. */
  get length(): number {
    this.#check();
    return this.#runner.core.sessionLength(this.#handle);
  }

  /** The tokens so far, a list a sequence. */
  get tokens(): readonly (readonly number[])[] {
    return this.#tokens;
  }

  /**
   * Runs new positions.
   *
   * @param tokens - [batch, pos] of the next positions.
   * @throws E_NAME for a name or filter that matches nothing, E_SHAPE, E_RANGE (a token outside the vocabulary, no room), E_MODE for a hook that returns a promise.
   */
  run(tokens: Tokens, options: SessionRunOptions = {}): SessionRun {
    const begun = this.#begin(tokens, options, options.hooks);
    const cache = new Map<string, Tensor>();
    this.#running = true;
    try {
      const logits = driveSync(this.#steps(begun, cache));
      this.#remember(begun.rows);
      return { logits, cache: new ActivationCache(cache, this.#runner.source) };
    } catch (error) {
      this.#forget();
      throw error;
    } finally {
      this.#running = false;
    }
  }

  /** As {@link Session.run}, with hooks that may be asynchronous; long runs let others work between blocks, and `signal` ends them. @throws E_ABORTED. */
  async runAsync(tokens: Tokens, options: AsyncSessionRunOptions = {}): Promise<SessionRun> {
    const { signal } = options;
    throwIfAborted(signal);
    const long = toTokenRows(tokens).pos >= LONG;
    const pause: AsyncHook[] = long && this.#runner.layers > 0 ? [["blocks.*.hook_resid_post", breathe(signal)]] : [];
    const begun = this.#begin(tokens, options, [...(options.hooks ?? []), ...pause]);
    const cache = new Map<string, Tensor>();
    this.#running = true;
    try {
      const logits = await driveAsync(this.#steps(begun, cache));
      this.#remember(begun.rows);
      return { logits, cache: new ActivationCache(cache, this.#runner.source) };
    } catch (error) {
      this.#forget();
      throw error;
    } finally {
      this.#running = false;
    }
  }

  /** Goes back to the first `length` positions. @throws E_RANGE when there are fewer. */
  rewind(length: number): void {
    this.#check();
    if (!Number.isInteger(length) || length < 0)
      throw new TritlensError("E_RANGE", "a session has no such length", { expected: `0 to ${this.length}`, found: String(length) });
    this.#runner.core.rewindSession(this.#handle, length);
    for (const row of this.#tokens) row.length = length;
  }

  /** Gives the memory back; later calls throw E_CLOSED. Safe to call twice. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    backstop.unregister(this);
    this.#forget();
    this.#runner.core.closeSession(this.#handle);
  }

  /** `using session = ...` disposes it at the end of the scope. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#closed) throw new TritlensError("E_CLOSED", "the session was disposed", { expected: "a living session", found: "a disposed one" });
  }

  #begin(tokens: Tokens, { names, lastOnly = false }: Omit<SessionRunOptions, "hooks">, hooks: readonly AsyncHook[] = []): Begun {
    this.#check();
    if (this.#running)
      throw new TritlensError("E_BUSY", "the session is running", { expected: "a session that stands still", found: "a call from its own hook" });
    const rows = toTokenRows(tokens);
    if (rows.batch !== this.batch)
      throw new TritlensError("E_SHAPE", "tokens do not fit the session", { expected: `${this.batch} rows`, found: `${rows.batch}` });
    const plan = makePlan({ hooks, ...(names === undefined ? {} : { names }) }, this.#runner.space, this.#runner.layers);
    const listen = [...heard(plan)].sort((a, b) => a - b);
    const key = `${rows.pos} ${lastOnly} ${listen.join(",")}`;
    if (this.#kept?.key !== key) {
      this.#forget();
      this.#kept = { key, run: this.#runner.inference(rows, listen, { session: this.#handle, lastOnly }) };
    }
    return { rows, plan, run: this.#kept.run, lastOnly };
  }

  *#steps({ run, rows, plan, lastOnly }: Begun, cache: Map<string, Tensor>): Steps<Tensor> {
    const logits = yield* this.#runner.continue(run, rows, plan, cache);
    // While somebody listens to the logits themselves (unembed.hook_out), those of all positions are computed.
    return lastOnly && logits.shape.length === 3 ? logits.slice("pos", -1) : logits;
  }

  #remember({ data, pos }: TokenRows): void {
    for (const [b, row] of this.#tokens.entries()) for (let i = 0; i < pos; i++) row.push(data[b * pos + i] as number);
  }

  #forget(): void {
    this.#kept?.run.close();
    this.#kept = undefined;
  }
}

interface Begun {
  readonly rows: TokenRows;
  readonly plan: RunPlan;
  readonly run: Run;
  readonly lastOnly: boolean;
}

/** Lets the event loop turn, then looks at the signal. */
function breathe(signal: AbortSignal | undefined): AsyncHookFn {
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    throwIfAborted(signal);
  };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TritlensError("E_ABORTED", "the run was aborted", { cause: signal.reason });
}
