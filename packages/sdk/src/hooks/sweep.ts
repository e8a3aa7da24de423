/** Sweeps: many runs over the same tokens that differ in a few edits. What they share is computed once. */
import { TritlensError } from "../core/errors.ts";
import { columnsOf, type Spec } from "../spec/index.ts";
import { Tensor } from "../tensor/index.ts";
import { axesOf } from "./axes.ts";
import { type Edit, encodeEdits, type SiteEdit } from "./edit.ts";
import { roomFor } from "./room.ts";
import type { Runner } from "./runner.ts";
import { type NameFilter, selectSites } from "./select.ts";
import type { TokenRows } from "./tokens.ts";

/** One of the runs of a sweep: the edits that make it differ from the plain run. Later edits of a site see what earlier ones left. */
export interface Variant {
  /** Where, and what happens there. */
  readonly edits: readonly (readonly [where: NameFilter, edit: Edit])[];
}

/** Options of {@link Model.sweep}. */
export interface SweepOptions {
  /** Logits of all positions (`all`, the default), or of the last one only, which saves most of the last block and of the unembedding. */
  readonly positions?: "all" | "last";
  /** Compute the logits of these classes only, in this order; all of them when left out. */
  readonly classes?: readonly number[];
  /** Most bytes of activations and logits at a time (256 MiB): more variants go through one after the other. */
  readonly budgetBytes?: number;
  /** Ends the sweep between two parts with E_ABORTED. */
  readonly signal?: AbortSignal;
  /** Called as variants are done. */
  readonly onProgress?: (progress: SweepProgress) => void;
}

/** How far a sweep is. */
export interface SweepProgress {
  /** Variants done. */
  readonly done: number;
  /** Variants in all. */
  readonly total: number;
  /** Estimate of the seconds that are left. */
  readonly secondsLeft: number;
}

/** The run of one variant. */
export interface SweepRun {
  /** Which variant; -1 is the run without edits, which comes first. */
  readonly index: number;
  /** [batch, pos, class]; one position with `positions: "last"`, and the chosen classes with `classes`. A copy. */
  readonly logits: Tensor;
}

/** @throws E_SHAPE for what is no list of edits, E_NAME for unknown positions. */
export function requireVariants(variants: readonly Variant[], { positions = "all" }: SweepOptions): void {
  const wrong = (what: string, found: unknown): TritlensError =>
    new TritlensError("E_SHAPE", `a sweep takes ${what}`, {
      expected: "[{ edits: [[where, { kind, ... }]] }]",
      found: found === null ? "null" : typeof found,
    });
  if (!Array.isArray(variants)) throw wrong("a list of variants", variants);
  for (const variant of variants) {
    if (!Array.isArray(variant?.edits)) throw wrong("variants with a list of edits", variant?.edits);
    for (const edit of variant.edits) if (typeof edit?.[1] !== "object" || edit[1] === null) throw wrong("edits as data", edit?.[1]);
  }
  if (positions !== "all" && positions !== "last")
    throw new TritlensError("E_NAME", "unknown positions of a sweep", { expected: "all or last", found: String(positions) });
}

/** Class ids; the core compares them with the number of classes. @throws E_RANGE for what is no integer. */
export function wholeClasses(classes: readonly number[]): Int32Array {
  const wrong = classes.find((c) => !Number.isInteger(c) || c < 0 || c > 0x7fffffff);
  if (wrong === undefined) return Int32Array.from(classes);
  throw new TritlensError("E_RANGE", "a sweep reads a class that does not exist", { expected: "an integer of at least 0", found: String(wrong) });
}

/** The error of a sweep that was aborted. */
export function aborted(signal: AbortSignal | undefined): TritlensError | undefined {
  if (!signal?.aborted) return undefined;
  return new TritlensError("E_ABORTED", "the sweep was aborted", { cause: signal.reason });
}

/** Bytes of a part when the caller names no budget. */
const BUDGET = 1 << 28;
/** Milliseconds of a part, roughly: between two parts a signal is looked at, and others get to run. */
const PART = 400;

/** Runs variants in parts that fit into the budget. */
export class Sweep {
  readonly #runner: Runner;
  readonly #spec: Spec;
  readonly #rows: TokenRows;
  readonly #variants: readonly (readonly SiteEdit[])[];
  readonly #options: SweepOptions;
  readonly #last: boolean;
  readonly #classes: Int32Array;
  /** Shape of a variant's logits. */
  readonly #shape: readonly number[];

  /** @throws E_NAME, E_RANGE before anything runs. */
  constructor(runner: Runner, spec: Spec, rows: TokenRows, variants: readonly Variant[], options: SweepOptions) {
    this.#runner = runner;
    this.#spec = spec;
    this.#rows = rows;
    this.#options = options;
    this.#last = options.positions === "last" || spec.nodes[spec.output]?.op === "last";
    this.#classes = wholeClasses(options.classes ?? []);
    this.#variants = variants.map(({ edits }) => edits.flatMap(([where, edit]) => selectSites(where, runner.names).map((site) => ({ site, edit }))));
    this.#shape = [rows.batch, this.#last ? 1 : rows.pos, options.classes === undefined ? columnsOf(spec, spec.output) : this.#classes.length];
  }

  /** The plain run, then the variants in order. */
  async *run(): AsyncGenerator<SweepRun> {
    const { signal, onProgress } = this.#options;
    const total = this.#variants.length;
    const most = this.#most();
    const began = performance.now();
    let count = Math.min(most, 16);
    for (let done = 0; done === 0 || done < total; ) {
      const error = aborted(signal);
      if (error) throw error;
      const part = this.#variants.slice(done, done + count);
      const before = performance.now();
      const logits = this.#part(part);
      if (done === 0) yield { index: -1, logits: logits(0) };
      for (let i = 0; i < part.length; i++) yield { index: done + i, logits: logits(1 + i) };
      done += part.length;
      onProgress?.({ done, total, secondsLeft: ((performance.now() - began) / 1000 / Math.max(1, done)) * (total - done) });
      if (done >= total) break;
      const pace = PART / Math.max(1, performance.now() - before);
      count = Math.max(1, Math.min(most, Math.round(count * Math.min(4, pace))));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Variants that fit into the budget together. @throws E_MEMORY when not even one does. */
  #most(): number {
    const { batch, pos } = this.#rows;
    const logits = this.#shape.reduce((n, d) => n * d, 4);
    const one = logits + 4 * batch * this.#runner.elementsPerExample(pos);
    const budget = this.#options.budgetBytes ?? Math.max(BUDGET, 2 * one);
    if (budget >= 2 * one) return Math.floor(budget / one) - 1;
    throw new TritlensError("E_MEMORY", "a sweep would not keep within budgetBytes", {
      expected: `at least ${2 * one} bytes: the plain run and one variant`,
      found: `${budget}`,
    });
  }

  #part(variants: readonly (readonly SiteEdit[])[]): (k: number) => Tensor {
    const { core, program } = this.#runner;
    const { batch, pos, data } = this.#rows;
    const size = (d: number | string): number => (d === "batch" ? batch : typeof d === "number" ? d : pos);
    const placed = variants.flat().map((e) => {
      const site = this.#spec.sites[e.site] as Spec["sites"][number];
      return { ...e, shape: site.shape.map(size), axes: axesOf(site) };
    });
    const { ints, floats } = encodeEdits(placed);
    const shape = Uint32Array.of(batch, pos, this.#last ? 1 : 0, ...variants.map((v) => v.length));
    const each = this.#shape.reduce((n, d) => n * d, 1);
    const out = roomFor("the logits of a sweep", each * (1 + variants.length));
    core.sweep(program, shape, data, ints, floats, this.#classes, out);
    return (k) => Tensor.from(out.slice(k * each, (k + 1) * each), this.#shape, ["batch", "pos", "class"]);
  }
}
