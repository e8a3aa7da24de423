/** Sweeps over activations that no node of the program holds: every variant is a run of its own. */
import { TritlensError } from "../../core/errors.ts";
import { selectAlong, type Tensor } from "../../tensor/index.ts";
import type { Model } from "../model.ts";
import type { Hook } from "../plan.ts";
import type { HookSpace } from "../space.ts";
import { aborted, type SweepOptions, type SweepRun, type Variant } from "../sweep.ts";
import { type Tokens, toTokenRows } from "../tokens.ts";

/** The plain run, then the variants in order. @throws As {@link Model.sweep}. */
export async function* sweepOneByOne(
  model: Model,
  space: HookSpace,
  tokens: Tokens,
  variants: readonly Variant[],
  { positions = "all", classes, signal, onProgress }: SweepOptions,
): AsyncGenerator<SweepRun> {
  const { pos } = toTokenRows(tokens);
  const read = (logits: Tensor): Tensor => {
    const all = logits.shape.length === 3 ? logits : logits.reshape(logits.shape.toSpliced(1, 0, 1), ["batch", "pos", "class"]);
    const some = positions === "last" && all.shape[1] === pos ? all.slice("pos", [pos - 1, pos]) : all;
    return classes === undefined ? some : selectAlong(some, "class", requireClasses(classes, some.shape[2] as number));
  };
  const named = variants.map(({ edits }) => edits.flatMap(([where, edit]) => space.select(where).map(({ name }) => ({ name, edit }))));
  const held = new Set(named.flat().flatMap(({ name, edit }) => (edit.kind === "freeze" ? [name] : [])));
  const { logits, cache } = model.runWithCache(tokens, { names: [...held] });
  yield { index: -1, logits: read(logits) };
  const began = performance.now();
  for (const [index, edits] of named.entries()) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const error = aborted(signal);
    if (error) throw error;
    const hooks = edits.map(({ name, edit }): Hook => {
      if (edit.kind !== "freeze") return [name, edit];
      return [name, { kind: "patch", value: cache.get(name), ...(edit.at ? { at: edit.at } : {}) }];
    });
    yield { index, logits: read(model.runWithHooks(tokens, { hooks })) };
    const done = index + 1;
    onProgress?.({ done, total: variants.length, secondsLeft: ((performance.now() - began) / 1000 / done) * (variants.length - done) });
  }
}

function requireClasses(classes: readonly number[], count: number): readonly number[] {
  const wrong = classes.find((c) => !Number.isInteger(c) || c < 0 || c >= count);
  if (wrong === undefined) return classes;
  throw new TritlensError("E_RANGE", "a class does not exist", { expected: `an integer in [0, ${count})`, found: String(wrong) });
}
