/** Sweeps: many runs over the same tokens that differ in a few edits. What they share is computed once. */
import { TritlensError } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";
import type { Box, Edit } from "./edit.ts";
import type { Model } from "./model.ts";
import type { Hook } from "./plan.ts";
import { type NameFilter, selectSites } from "./select.ts";
import { type Tokens, toTokenRows } from "./tokens.ts";

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

/** The error of a sweep that was aborted. */
export function aborted(signal: AbortSignal | undefined): TritlensError | undefined {
  if (!signal?.aborted) return undefined;
  return new TritlensError("E_ABORTED", "the sweep was aborted", { cause: signal.reason });
}

/** Variants one after the other, each as a run of its own. */
export async function* sweepNaively(
  model: Model,
  tokens: Tokens,
  variants: readonly Variant[],
  { positions = "all", classes, signal, onProgress }: SweepOptions,
): AsyncGenerator<SweepRun> {
  const rows = toTokenRows(tokens);
  const read = (logits: Tensor): Tensor => {
    const some = positions === "last" ? logits.slice("pos", [rows.pos - 1, rows.pos]) : logits;
    return classes === undefined ? some : pick(some, classes);
  };
  const held = variants.flatMap((v) => v.edits.flatMap(([where, edit]) => (edit.kind === "freeze" ? placesOf(model, where) : [])));
  const { logits, cache } = model.runWithCache(tokens, { names: [...new Set(held)] });
  yield { index: -1, logits: read(logits) };
  const began = performance.now();
  for (const [index, { edits }] of variants.entries()) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const error = aborted(signal);
    if (error) throw error;
    const hooks = edits.flatMap(([where, edit]): Hook[] => {
      if (edit.kind !== "patch" && edit.kind !== "freeze") return [[where, edit]];
      return placesOf(model, where).map((name): Hook => {
        const value = boxOf(edit.kind === "patch" ? edit.value : cache.get(name), edit.at ?? {});
        return [name, { kind: "set", value, ...(edit.at ? { at: edit.at } : {}) }];
      });
    });
    yield { index, logits: read(model.runWithHooks(tokens, { hooks })) };
    const secondsLeft = ((performance.now() - began) / 1000 / (index + 1)) * (variants.length - index - 1);
    onProgress?.({ done: index + 1, total: variants.length, secondsLeft });
  }
}

function placesOf(model: Model, where: NameFilter): string[] {
  const held = new Set(model.siteNames);
  const names = model.hookNames;
  return selectSites(where, names, "hook", (i) => !held.has(names[i] as string)).map((i) => names[i] as string);
}

function boxOf(tensor: Tensor, at: Box): Tensor {
  return Object.entries(at).reduce((t, [axis, i]) => t.slice(axis, typeof i === "number" ? [i, i + 1] : i), tensor);
}

function pick(logits: Tensor, classes: readonly number[]): Tensor {
  const count = logits.shape[2] as number;
  const rows = logits.size / count;
  const { data } = logits;
  const out = Float32Array.from(
    { length: rows * classes.length },
    (_, i) => data[Math.floor(i / classes.length) * count + (classes[i % classes.length] as number)] as number,
  );
  return Tensor.from(out, [...logits.shape.slice(0, 2), classes.length], logits.axes);
}
