/**
 * The build whose instances share memory: a pool of threads inside of the core, as natively. JavaScript starts the threads (workers, each with an instance over the
 * same memory) before a pool is made, because the thread that trains blocks while it waits for them and could not start any then.
 */
import type { Core } from "../core.ts";
import { TritlensError } from "../errors.ts";
import type { Line } from "../pool/messages.ts";

/** To a thread: what to instantiate, then to lend itself to a pool. */
export type ToThread =
  | { readonly kind: "start"; readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory }
  | { readonly kind: "run" };

/** What the pool needs from its surroundings. */
export interface ThreadsOptions {
  readonly module: () => WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly spawn: () => Line;
  readonly notice: (line: string) => void;
}

/** Wraps an instance of the build with threads. One is used until `setThreads` asks for more; they start before the next training or evaluation. */
export function threadedCore(base: Core, options: ThreadsOptions): Core {
  const lines: Line[] = [];
  let [wanted, active] = [1, 1];

  /** Threads that are ready, one more at a time until there are `n`. */
  const start = async (n: number): Promise<void> => {
    const starting = Array.from({ length: n - lines.length }, () => ready(options));
    for (const line of await Promise.all(starting)) lines.push(line);
  };
  const adjust = async (): Promise<void> => {
    if (wanted === active) return;
    try {
      if (wanted > 1) await start(wanted);
      active = base.setThreads(wanted);
    } catch (error) {
      options.notice(`tritlens: no threads (${error instanceof Error ? error.message : error}); going on with one`);
      [wanted, active] = [1, base.setThreads(1)];
    }
    if (active > 1) for (const line of lines.slice(0, active)) line.send({ kind: "run" } satisfies ToThread, []);
  };
  return {
    ...base,
    info: () => {
      const info = base.info();
      // Those of a pool that is not there yet start with the next training.
      return { ...info, threads: wanted === active ? info.threads : wanted, parallel: "threads" };
    },
    setThreads: (threads) => {
      if (!Number.isInteger(threads) || threads < 1 || threads > MOST) base.setThreads(threads);
      wanted = threads;
      return threads;
    },
    trainSteps: async (...args) => {
      await adjust();
      return base.trainSteps(...args);
    },
    evaluate: async (...args) => {
      await adjust();
      return base.evaluate(...args);
    },
  };
}

/** The core's own limit; it names it. */
const MOST = 256;
/** A worker whose script does not load may say nothing at all. */
const PATIENCE = 20_000;

function ready({ module, memory, spawn }: ThreadsOptions): Promise<Line> {
  return new Promise((resolve, reject) => {
    const line = spawn();
    const fail = (reason: string): void => {
      line.end();
      reject(new TritlensError("E_BACKEND", `a thread did not start: ${reason}`));
    };
    const timer = setTimeout(() => fail("no answer"), PATIENCE);
    line.listen(
      (answer) => {
        clearTimeout(timer);
        if (typeof answer === "string") return fail(answer);
        line.hold(false);
        resolve(line);
      },
      (reason) => {
        clearTimeout(timer);
        fail(reason);
      },
    );
    line.send({ kind: "start", module: module(), memory } satisfies ToThread, []);
  });
}
