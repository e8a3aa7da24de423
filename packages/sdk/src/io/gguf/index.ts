/** GGUF files: reading and writing. */
export { type Gguf, type GgufTensorInfo, openGguf, requireWholeAndPlain } from "./reader.ts";
export { type GgmlType, ggmlBytes, ggmlTypeNamed, ggmlTypeNames } from "./types.ts";
export {
  type GgufArray,
  type GgufMetadata,
  type GgufNumbers,
  type GgufSmallType,
  GgufStrings,
  type GgufType,
  type GgufTyped,
  type GgufValue,
  ggufCount,
  ggufFlag,
  ggufNumber,
  ggufNumbers,
  ggufText,
  ggufTexts,
} from "./values.ts";
export { type GgufContent, type GgufItem, writeGguf } from "./writer.ts";
