/** A low-bit model and a dense one that computes the same: what an analysis says of one it has to say of the other. */
import { type Core, convertModel, Model, type TransformerOptions } from "tritlens";

/** Two models with the same effective weights. */
export interface Twins {
  /** Ternary weights; activations in full precision, so that products are exact up to rounding. */
  readonly packed: Model;
  /** The dense model with the values that the other one multiplies with. */
  readonly twin: Model;
}

/** The architecture of the twins: grouped keys, rotary positions, RMS norms, a gated MLP. Pass changes to test another. */
export const TWIN_CONFIG: TransformerOptions = {
  ...{ nLayers: 2, dModel: 32, dHead: 8, nHeads: 4, nKeyValueHeads: 2, dMlp: 48, nCtx: 12, dVocab: 19, normalization: "RMS", actFn: "silu" },
  ...{ gatedMlp: true, positions: "rotary" },
};

/** Latent ternary weights, quantised by absmean when they are used, and their dense twin. */
export function packedAndTwin(core: Core, seed = 0, change: Partial<TransformerOptions> = {}): Twins {
  const config: TransformerOptions = { ...TWIN_CONFIG, ...change };
  const packed = Model.fromConfig({ ...config, quantizer: "ternary", actQuant: "none" }, { core, seed });
  return { packed, twin: denseTwin(packed, config) };
}

/** Packed ternary matrices as a checkpoint keeps them, and their dense twin. */
export async function storedAndTwin(core: Core, seed = 0, change: Partial<TransformerOptions> = {}): Promise<Twins> {
  const config: TransformerOptions = { ...TWIN_CONFIG, ...change };
  const dense = Model.fromConfig(config, { core, seed });
  const { model: packed } = await convertModel(dense, { format: "ternary", tokens: null });
  dense.dispose();
  return { packed, twin: denseTwin(packed, config) };
}

/** A dense model with the weights that `model` multiplies with. */
function denseTwin(model: Model, config: TransformerOptions): Model {
  const twin = Model.fromConfig({ ...config, quantizer: "none", actQuant: "none" }, { core: model.core });
  for (const name of twin.paramNames) twin.writeParam(name, model.effectiveParam(name).data);
  return twin;
}
