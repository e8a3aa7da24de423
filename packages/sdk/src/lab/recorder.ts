/**
 * The curves of one run: in memory for the report, and line by line on disk. A line is written before the checkpoint of its epoch, so after kill -9
 * the file reaches at least as far as the checkpoint; lines beyond it are cut off on resuming, because training will make them again.
 */

import { writeFileAtomic } from "../io/index.ts";
import type { Evaluation } from "./engine.ts";
import { appendLine, readLines } from "./folder.ts";
import { type Curves, noCurves } from "./results.ts";

/** One line of curves.jsonl. */
interface Line extends Evaluation {
  /** Seconds of training up to here. */
  seconds: number;
}

/** Records evaluations. */
export class Recorder {
  readonly #path: string;
  readonly #lines: Line[];
  /** Lines read from disk that the first new evaluation has yet to confirm or cut. */
  #unconfirmed: boolean;

  private constructor(path: string, lines: Line[]) {
    this.#path = path;
    this.#lines = lines;
    this.#unconfirmed = lines.length > 0;
  }

  /** Opens the record of a run, with what an earlier session left. */
  static async open(path: string): Promise<Recorder> {
    return new Recorder(path, await readLines<Line>(path));
  }

  /** Seconds of training recorded. */
  get seconds(): number {
    return this.#lines.at(-1)?.seconds ?? 0;
  }

  /** Last epoch recorded; -1 when none is. */
  get epoch(): number {
    return this.#lines.at(-1)?.epoch ?? -1;
  }

  /** Adds an evaluation; `elapsed` is the time training took since the one before. An epoch already there is replaced with everything after it. */
  async add(evaluation: Evaluation, elapsed: number): Promise<void> {
    if (this.#unconfirmed) await this.#cut(evaluation.epoch);
    const line = { ...evaluation, seconds: this.seconds + elapsed };
    await appendLine(this.#path, line);
    this.#lines.push(line);
  }

  async #cut(epoch: number): Promise<void> {
    this.#unconfirmed = false;
    const kept = this.#lines.filter((l) => l.epoch < epoch);
    this.#lines.length = 0;
    this.#lines.push(...kept);
    // Rewritten even when nothing is cut: a torn last line must not have the next one appended to it.
    await writeFileAtomic(this.#path, new TextEncoder().encode(kept.map((l) => `${JSON.stringify(l)}\n`).join("")));
  }

  /** The curves so far. */
  curves(): Curves {
    const c = noCurves();
    const names = Object.keys(this.#lines.at(-1)?.flips ?? {});
    for (const name of names) c.flips[name] = this.#lines.map((l) => l.flips[name] ?? 0);
    for (const l of this.#lines) {
      c.epoch.push(l.epoch);
      c.train_loss.push(l.train_loss);
      c.test_loss.push(l.test_loss);
      c.train_accuracy.push(l.train_accuracy);
      c.test_accuracy.push(l.test_accuracy);
      c.seconds.push(l.seconds);
    }
    return c;
  }
}
