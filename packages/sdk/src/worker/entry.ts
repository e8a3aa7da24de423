/** The script of the worker: answers each message with the service's result or with the error as data. */
import { type Answer, type CallName, errorData, type Request } from "./protocol.ts";
import { workerService } from "./service.ts";

/** What a worker's global scope and a message port have in common. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  start?(): void;
}

/** Answers the requests that arrive at a port. */
export function serve(port: Port): void {
  const service = workerService() as Record<CallName, (args: unknown) => unknown>;
  port.addEventListener("message", async ({ data }: MessageEvent<Request>) => {
    port.postMessage(await answer(service, data));
  });
  port.start?.();
}

async function answer(service: Record<CallName, (args: unknown) => unknown>, { id, call, args }: Request): Promise<Answer> {
  try {
    return { id, result: await service[call](args) };
  } catch (error) {
    return { id, error: errorData(error) };
  }
}

// Only inside of a dedicated worker: a page (or a test in Node) that imports this module starts nothing.
if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Port);
