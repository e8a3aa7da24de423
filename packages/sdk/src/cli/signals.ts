/** Ctrl-C and SIGTERM: the first asks for an orderly stop, the second ends the process at once. */
import { EXIT } from "./exit.ts";

/** A stop that signals can ask for. */
export interface Stop {
  readonly signal: AbortSignal;
  /** Exit code of the signal that came; 0 while none has. */
  readonly code: number;
  /** Lets go of the signals. */
  dispose(): void;
}

/** Begins to listen; `text` is what the first signal says. */
export function stopOnSignals(say: (text: string) => void, text = "Stopping after this step, with a checkpoint. Once more to quit at once."): Stop {
  const controller = new AbortController();
  let code = 0;
  const on = (exit: number) => (): void => {
    if (code !== 0) process.exit(exit);
    code = exit;
    say(text);
    controller.abort();
  };
  const [interrupt, terminate] = [on(EXIT.interrupted), on(EXIT.terminated)];
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  return {
    signal: controller.signal,
    get code() {
      return code;
    },
    dispose(): void {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", terminate);
    },
  };
}
