/** Stop texts, also where they lie across several tokens. */

/** Passes text on, except what may be the beginning of a stop text. */
export class StopText {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Takes text; gives what is certain to come before any stop text, and whether one was found. */
  push(text: string): { text: string; found: boolean } {
    this.#held += text;
    const places = this.#stops.map((stop) => this.#held.indexOf(stop)).filter((place) => place >= 0);
    if (places.length > 0) {
      const before = this.#held.slice(0, Math.min(...places));
      this.#held = "";
      return { text: before, found: true };
    }
    const certain = this.#held.length - Math.max(0, ...this.#stops.map((stop) => overlap(this.#held, stop)));
    const passed = this.#held.slice(0, certain);
    this.#held = this.#held.slice(certain);
    return { text: passed, found: false };
  }

  /** What was held back, when nothing more comes. */
  end(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }
}

/** Length of the longest end of `text` that is a beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n;
  return 0;
}
