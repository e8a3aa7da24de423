/** What a sweep has to equal: a run of its own for every variant. */
import { type Box, type Hook, type Model, type SweepOptions, type SweepRun, selectSites, Tensor, type Tokens, type Variant } from "tritlens";

/** Variants one after the other, each as a run of its own. */
export async function* sweepNaively(
  model: Model,
  tokens: Tokens,
  variants: readonly Variant[],
  { positions = "all", classes }: SweepOptions,
): AsyncGenerator<SweepRun> {
  const read = (out: Tensor): Tensor => {
    const [batch, ...rest] = out.shape as [number, ...number[]];
    // A model that reads out the last position only has no axis for it.
    const logits = rest.length === 1 ? out.reshape([batch, 1, ...rest], ["batch", "pos", "class"]) : out;
    const pos = logits.shape[1] as number;
    const some = positions === "last" ? logits.slice("pos", [pos - 1, pos]) : logits;
    return classes === undefined ? some : pick(some, classes);
  };
  const { logits, cache } = model.runWithCache(tokens);
  yield { index: -1, logits: read(logits) };
  for (const [index, { edits }] of variants.entries()) {
    const hooks = edits.flatMap(([where, edit]): Hook[] => {
      if (edit.kind !== "patch" && edit.kind !== "freeze") return [[where, edit]];
      return selectSites(where, model.siteNames).map((site): Hook => {
        const name = model.siteNames[site] as string;
        const value = boxOf(edit.kind === "patch" ? edit.value : cache.get(name), edit.at ?? {});
        return [name, { kind: "set", value, ...(edit.at ? { at: edit.at } : {}) }];
      });
    });
    yield { index, logits: read(model.runWithHooks(tokens, { hooks })) };
  }
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
