/** The model description the Rust core compiles, its builder, and the names of activations. */
export { SpecBuilder } from "./build.ts";
export { columnsOf } from "./columns.ts";
export { getActName, resolveAlias } from "./names.ts";
export {
  ACT_FNS,
  type AccNode,
  type ActFn,
  type ActNode,
  type CodesNode,
  type GainNode,
  type GluNode,
  type LinearNode,
  type MixNode,
  type NodeRef,
  type NodeSpec,
  type NormApplyNode,
  type NormScaleNode,
  type ParamRef,
  type PerHead,
  type PlainNode,
  type Reads,
  type RotaryNode,
  type ScoresNode,
  type TableNode,
} from "./nodes.ts";
export {
  type ConstantInit,
  type Init,
  type NormalInit,
  type ParamSpec,
  QUANTIZERS,
  type Quantizer,
  type SiteDim,
  type SiteSpec,
  type Spec,
  type UniformInit,
} from "./spec.ts";
