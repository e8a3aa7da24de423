/** The model description the Rust core compiles, its builder, and the names of activations. */
export { SpecBuilder } from "./build.ts";
export { getActName, resolveAlias } from "./names.ts";
export {
  ACT_FNS,
  type ActFn,
  type Init,
  type NodeRef,
  type NodeSpec,
  type ParamRef,
  type ParamSpec,
  QUANTIZERS,
  type Quantizer,
  type SiteDim,
  type SiteSpec,
  type Spec,
} from "./spec.ts";
