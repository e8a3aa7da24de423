/** Models as functions from configuration to Spec. */
export {
  type InitScheme,
  MODES,
  type Mode,
  modeOf,
  type Normalization,
  type Positions,
  quantizerOf,
  type RequiredSize,
  type TransformerConfig,
  type TransformerOptions,
  transformerConfig,
} from "./config.ts";
export { fromTransformerLens, readStateDict, toTransformerLens, transformerLensName, UNEMBED } from "./layout.ts";
export { liConfig, nandaConfig, type ReadyOptions, requireModulus } from "./ready.ts";
export { transformerSpec } from "./transformer.ts";
export { configFromTransformerLens, type TransformerLensJson } from "./transformerlens.ts";
