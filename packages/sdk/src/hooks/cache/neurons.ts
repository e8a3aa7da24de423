/** What single neurons add to the residual stream. */
import { TritlensError } from "../../core/errors.ts";
import { type AxisIndex, Tensor } from "../../tensor/index.ts";
import { requireBudget } from "../memory.ts";
import { roomFor } from "../room.ts";
import { lastInput, matrixInput } from "../virtual/last-input.ts";
import { finished, type StackOptions } from "./remainder.ts";
import { ResidualStack } from "./stack.ts";
import { blockOf, type CacheView, entriesOf, layerOf, type PosSlice, stackOf, streamInto, takePos } from "./view.ts";

/** Options of {@link ActivationCache.getNeuronResults}. */
export interface NeuronOptions {
  /** One neuron, or those in `[lo, hi)`; all of them when left out. */
  readonly neuronSlice?: AxisIndex | undefined;
  /** These positions only. */
  readonly posSlice?: PosSlice | undefined;
  /** Most bytes of the result (1 GiB): neurons times d_model numbers a position. */
  readonly budgetBytes?: number | undefined;
}

/** Options of {@link ActivationCache.stackNeuronResults}. */
export interface NeuronStackOptions extends StackOptions, NeuronOptions {}

const BUDGET = 2 ** 30;

/** As {@link ActivationCache.getNeuronResults}. */
export function neuronResults(view: CacheView, layer: number, { neuronSlice, posSlice, budgetBytes = BUDGET }: NeuronOptions = {}): Tensor {
  const parts = view.parts();
  const { dMlp, dModel } = parts.config;
  const input = lastInput(parts, blockOf(view, layer), "mlp");
  if (input === undefined) throw noNeurons();
  const [lo, hi] = neurons(neuronSlice, dMlp);
  const acts = takePos(matrixInput(parts, input, view.get(view.nameOf(input.site))), posSlice);
  const rows = acts.size / dMlp;
  requireBudget("the results of neurons", 4 * rows * (hi - lo) * dModel, budgetBytes);
  const out = roomFor("the results of neurons", rows * (hi - lo) * dModel);
  const matrix = parts.read(input.weight);
  const { data } = acts;
  for (let r = 0; r < rows; r++)
    for (let n = lo; n < hi; n++) {
      const act = data[r * dMlp + n] as number;
      const at = (r * (hi - lo) + n - lo) * dModel;
      for (let d = 0; d < dModel; d++) out[at + d] = act * (matrix[d * dMlp + n] as number);
    }
  return Tensor.from(out, [...acts.shape.slice(0, -1), hi - lo, dModel], [...acts.axes.slice(0, -1), "neuron", "d_model"]);
}

/** As {@link ActivationCache.stackNeuronResults}. */
export function stackNeurons(view: CacheView, layer: number | undefined, options: NeuronStackOptions = {}): ResidualStack {
  const to = layerOf(view, layer);
  const like = takePos(streamInto(view, 0), options.posSlice);
  const { attnOnly, dMlp } = view.parts().config;
  if (attnOnly) throw noNeurons();
  const [lo, hi] = neurons(options.neuronSlice, dMlp);
  requireBudget("the results of neurons", 4 * to * (hi - lo) * like.size, options.budgetBytes ?? BUDGET);
  const layers = Array.from({ length: to }, (_, l) => entriesOf(neuronResults(view, l, options), "neuron"));
  const labels = layers.flatMap((list, l) => list.map((_, n) => `L${l}N${lo + n}`));
  return finished(view, new ResidualStack(stackOf(layers.flat(), like), labels), to, options);
}

function noNeurons(): TritlensError {
  return new TritlensError("E_MODE", "the model has no neurons", { expected: "a model with MLPs", found: "attention only" });
}

/** @throws E_RANGE. */
function neurons(slice: AxisIndex | undefined, count: number): [number, number] {
  if (slice === undefined) return [0, count];
  const [lo, hi] = typeof slice === "number" ? [slice < 0 ? slice + count : slice, (slice < 0 ? slice + count : slice) + 1] : slice;
  if (Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo <= hi && hi <= count) return [lo, hi];
  throw new TritlensError("E_RANGE", "a layer has no such neurons", { expected: `0 <= lo <= hi <= ${count}`, found: `[${lo}, ${hi})` });
}
