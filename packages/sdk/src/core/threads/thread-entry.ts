/** The script of a thread of the build with shared memory. */
import { openLine } from "../pool/line.ts";
import type { ToThread } from "./threads.ts";

const line = openLine();
let lend: (() => boolean) | undefined;

async function take(message: ToThread): Promise<void> {
  if (message.kind === "run") {
    // Returns when the pool is given up; the next request waits in the queue meanwhile.
    lend?.();
    return;
  }
  try {
    const binding = await import("@tritlens/wasm/threads");
    await binding.default({ module_or_path: message.module, memory: message.memory });
    lend = binding.runThread;
    line?.send(true, []);
  } catch (error) {
    line?.send(String(error), []);
  }
}

// A page (or a test) that imports this module starts nothing.
line?.listen(
  (message) => void take(message as ToThread),
  () => undefined,
);
