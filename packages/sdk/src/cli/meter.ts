/** Progress of one thing after the other: a bar, bytes or weights, time left. */
import { duration } from "../lab/index.ts";
import type { Screen } from "./screen.ts";
import { bar, integer } from "./text.ts";

/** What loading, converting and writing report, as far as it is drawn. */
export interface MeterEvent {
  readonly loaded: number;
  readonly total: number;
}

/** Off a terminal a line is printed at most this often (seconds). */
const LINE_EVERY = 5;

/** Draws on a screen. */
export class Meter {
  readonly #screen: Screen;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** A listener for the progress of something that begins now. */
  watch(what: string): (event: MeterEvent) => void {
    const begun = performance.now();
    let printed = begun;
    return ({ loaded, total }) => {
      const now = performance.now();
      const left = loaded > 0 ? ((now - begun) / 1000) * (total / loaded - 1) : undefined;
      const tail = left === undefined || now - begun < 1000 ? "" : `, ${duration(left)} left`;
      const line = `${integer(loaded)} / ${integer(total)}${tail}`;
      this.#screen.block(() => [this.#screen.bold(what), `▕${bar(loaded / total, 40)}▏ ${line}`]);
      if (this.#screen.live || now - printed < LINE_EVERY * 1000) return;
      printed = now;
      this.#screen.print(`${what} ${line}`);
    };
  }
}
