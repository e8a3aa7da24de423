/** Large batches without hooks run in parts, so that the activations of all examples are never in memory at once. */
import { DONE } from "../core/core.ts";
import type { Tensor } from "../tensor/index.ts";
import { Tensor as T } from "../tensor/index.ts";
import type { Run } from "./run.ts";
import type { TokenRows } from "./tokens.ts";

/** Elements of activations that a part may have (64 MB). */
const PART = 1 << 24;

/** Examples that fit in one part. */
export function examplesPerPart(elementsPerExample: number): number {
  return Math.max(1, Math.floor(PART / elementsPerExample));
}

/** Consecutive parts of a batch. */
export function* parts(rows: TokenRows, size: number): Generator<TokenRows & { from: number }> {
  for (let from = 0; from < rows.batch; from += size) {
    const batch = Math.min(size, rows.batch - from);
    yield { from, batch, pos: rows.pos, data: rows.data.subarray(from * rows.pos, (from + batch) * rows.pos) };
  }
}

/** Collects tensors of parts along their first axis. */
export class Collector {
  readonly #batch: number;
  readonly #out: Map<string, Tensor> = new Map();

  constructor(batch: number) {
    this.#batch = batch;
  }

  /** Puts a part's tensor (live or not) at its place. */
  put(name: string, from: number, part: Tensor): void {
    const per = part.size / (part.shape[0] as number);
    let whole = this.#out.get(name);
    if (!whole) {
      whole = T.from(new Float32Array(per * this.#batch), [this.#batch, ...part.shape.slice(1)], part.axes);
      this.#out.set(name, whole);
    }
    whole.data.set(part.data, from * per);
  }

  /** What was collected, in the order of first arrival. */
  get tensors(): Map<string, Tensor> {
    return this.#out;
  }
}

/** Runs one part and collects its output (under the empty name) and sites. */
export function runPart(run: Run, part: TokenRows & { from: number }, keep: readonly number[], names: readonly string[], into: Collector): void {
  run.setTokens(part);
  const put = (site: number): void => into.put(names[site] as string, part.from, run.view(site, "value"));
  run.setPause(keep, []);
  for (let site = run.step(); site !== DONE; site = run.step()) put(site);
  into.put("", part.from, run.output());
}
