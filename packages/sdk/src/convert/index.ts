/** Models in fewer bits and in other programs' files. */
export { type Converted, type ConvertOptions, type ConvertProgress, convertModel } from "./convert.ts";
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
export { ConvertReport, type ConvertReportJson } from "./report.ts";
