/** Packed linear layers outside a model: the products themselves, from codes or from other programs' bytes. */
export {
  PACKED_FORMATS,
  PACKED_LAYOUTS,
  type PackedBytes,
  type PackedFormat,
  type PackedLayout,
  PackedLinear,
  type PackedOptions,
  type PackedParts,
} from "./linear.ts";
