/** How many steps fit into one call of the core, and giving way to the event loop between calls. */

/** Sizes chunks so that one takes about the wanted time. */
export class Pace {
  readonly #target: number;
  #secondsPerStep: number | undefined;

  /** @param milliseconds - Wanted length of a chunk. */
  constructor(milliseconds: number) {
    this.#target = milliseconds / 1000;
  }

  /** Seconds a step takes, smoothed; undefined before the first chunk. */
  get secondsPerStep(): number | undefined {
    return this.#secondsPerStep;
  }

  /** Steps of the next chunk, at most `most`. The first one is a single step, because nothing is known yet. */
  next(most: number): number {
    const wanted = this.#secondsPerStep === undefined ? 1 : Math.round(this.#target / this.#secondsPerStep);
    return Math.max(1, Math.min(most, wanted));
  }

  /** Takes a measured chunk into account. */
  record(steps: number, seconds: number): void {
    const measured = Math.max(seconds / steps, 1e-7);
    this.#secondsPerStep = this.#secondsPerStep === undefined ? measured : 0.7 * this.#secondsPerStep + 0.3 * measured;
  }
}

/** Lets timers, input and drawing run. A message is used in browsers, because nested timeouts wait at least 4 ms there. */
export function giveWay(): Promise<void> {
  if (typeof setImmediate === "function") return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
