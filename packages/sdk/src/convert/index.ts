/** Models in fewer bits and in other programs' files. */
export { type Converted, type ConvertOptions, type ConvertProgress, convertModel } from "./convert.ts";
export {
  DTYPES,
  GGUF_TYPES,
  type GgufMatrixType,
  SAVE_FORMATS,
  type Saved,
  type SavedTensor,
  type SaveFormat,
  type SaveOptions,
  type SaveTarget,
} from "./export/options.ts";
export { saveModel } from "./export/save.ts";
export type { LayerReport } from "./layer-report.ts";
export {
  type Granularity,
  type LowBitFormat,
  METHODS,
  type QuantizedMatrix,
  type QuantizeMethod,
  type QuantizeOptions,
  type QuantizePlan,
  quantizeMatrix,
} from "./quantize.ts";
export { type ConvertedLogits, type ConvertPlan, ConvertReport, type ConvertReportJson } from "./report.ts";
