/** Where progress is drawn: a block of lines that is drawn over itself on a terminal, or plain lines in a file or pipe. */

/** An output stream, as far as it is needed. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** At most ten frames a second. */
const FRAME_MS = 100;

/** Draws. `block` lines vanish when something is printed above them. */
export class Screen {
  readonly #out: Output;
  readonly live: boolean;
  readonly #color: boolean;
  #drawn = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(out: Output, env: NodeJS.ProcessEnv = process.env) {
    this.#out = out;
    this.live = out.isTTY === true && env.TERM !== "dumb";
    this.#color = this.live && !env.NO_COLOR;
  }

  /** Whether colours may be used. */
  get colour(): boolean {
    return this.#color;
  }

  get width(): number {
    return Math.max(40, Math.min(120, this.#out.columns ?? 80));
  }

  dim(text: string): string {
    return this.#color ? `\u001b[2m${text}\u001b[22m` : text;
  }
  bold(text: string): string {
    return this.#color ? `\u001b[1m${text}\u001b[22m` : text;
  }

  /** Prints lines that stay. */
  print(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  /** Draws the block anew, unless the last frame is too recent. Does nothing off a terminal. */
  block(lines: () => readonly string[], now: number = performance.now()): void {
    if (!this.live || now - this.#last < FRAME_MS) return;
    this.#last = now;
    this.clear();
    const text = lines();
    this.#out.write(text.map((l) => `${l}\n`).join(""));
    this.#drawn = text.length;
  }

  /** Removes the block. */
  clear(): void {
    if (this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}
