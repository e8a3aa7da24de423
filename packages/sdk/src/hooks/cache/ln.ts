/** The norm of a block or of the end, applied to parts of what it normalised. */
import { TritlensError } from "../../core/errors.ts";
import { requireLength, Tensor } from "../../tensor/index.ts";
import { centers } from "../virtual/norm.ts";
import { ResidualStack } from "./stack.ts";
import { type CacheView, layerOf, type PosSlice, takePos } from "./view.ts";

/** Options of {@link ActivationCache.applyLnToStack}. */
export interface ApplyLnOptions {
  /** The input of the MLP (ln2) instead of attention (ln1). */
  readonly mlpInput?: boolean;
  /** The positions that the stack was cut to. */
  readonly posSlice?: PosSlice | undefined;
}

/** As {@link ActivationCache.applyLnToStack}. */
export function applyLn(view: CacheView, tensor: Tensor, layer: number | undefined, { mlpInput = false, posSlice }: ApplyLnOptions = {}): Tensor {
  const { config } = view.parts();
  const to = layerOf(view, layer);
  const last = to === config.nLayers;
  if (last && mlpInput)
    throw new TritlensError("E_RANGE", "behind the last block there is no MLP", {
      expected: "mlpInput with a block's number",
      found: "all layers",
    });
  const kind = last ? config.finalNorm : config.normalization;
  if (kind === "none") return tensor;
  const name = last ? "ln_final.hook_scale" : `blocks.${to}.ln${mlpInput ? 2 : 1}.hook_scale`;
  const scale = takePos(view.get(name), posSlice).data;
  const cols = tensor.shape.at(-1) as number;
  requireLength("the rows of a stack", config.dModel, cols);
  requireLength(`a component of the stack (the scales of "${name}" times d_model: was it cut to posSlice?)`, scale.length * cols, stride(tensor));
  return divided(tensor, scale, cols, centers(kind));
}

/** A stack of which every component went through the norm. */
export function normed(view: CacheView, stack: ResidualStack, layer: number | undefined, options: ApplyLnOptions = {}): ResidualStack {
  return new ResidualStack(applyLn(view, stack.tensor, layer, options), stack.labels);
}

/** Elements a component. */
function stride({ shape }: Tensor): number {
  return shape.slice(1).reduce((n, d) => n * d, 1);
}

function divided(tensor: Tensor, scale: Float32Array, cols: number, center: boolean): Tensor {
  const { data } = tensor;
  const out = new Float32Array(data.length);
  for (let row = 0; row * cols < out.length; row++) {
    const at = row * cols;
    let sum = 0;
    if (center) for (let i = 0; i < cols; i++) sum += data[at + i] as number;
    const s = scale[row % scale.length] as number;
    for (let i = 0; i < cols; i++) out[at + i] = ((data[at + i] as number) - sum / cols) / s;
  }
  return Tensor.from(out, tensor.shape, tensor.axes);
}
