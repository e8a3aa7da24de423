/** Lines over the three kinds of things that pass messages. */
import type { Line } from "./messages.ts";

/** A Web Worker as its page or parent sees it, or the worker's own scope, or a message port. */
export interface WebEnd {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  terminate?(): void;
}

/** A thread of Node as its parent sees it, or a thread's own port. */
export interface NodeEnd {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  on(type: "message", listener: (message: unknown) => void): unknown;
  on(type: "error", listener: (error: Error) => void): unknown;
  on(type: "exit", listener: (code: number) => void): unknown;
  ref(): void;
  unref(): void;
  terminate?(): Promise<number>;
}

/** A line over the Web's interface. */
export function webLine(end: WebEnd): Line {
  return {
    send: (message, transfer) => end.postMessage(message, [...transfer]),
    listen(onMessage, onEnd) {
      end.addEventListener("message", ({ data }: MessageEvent) => onMessage(data));
      end.addEventListener("error", (event: ErrorEvent) => onEnd(event.message || "its script did not load"));
    },
    hold: () => undefined,
    end: () => end.terminate?.(),
  };
}

/** A line over Node's interface. */
export function nodeLine(end: NodeEnd): Line {
  return {
    send: (message, transfer) => end.postMessage(message, transfer),
    listen(onMessage, onEnd) {
      end.on("message", onMessage);
      end.on("error", (error) => onEnd(error.message));
      end.on("exit", (code) => onEnd(`it exited with ${code}`));
    },
    hold: (held) => (held ? end.ref() : end.unref()),
    end: () => void end.terminate?.(),
  };
}

/** The line to the parent, inside of a worker or thread; null elsewhere. */
export function openLine(): Line | null {
  if ("WorkerGlobalScope" in globalThis) return webLine(globalThis as unknown as WebEnd);
  const threads = (globalThis as { process?: NodeJS.Process }).process?.getBuiltinModule?.("node:worker_threads");
  return threads?.parentPort ? nodeLine(threads.parentPort as unknown as NodeEnd) : null;
}
