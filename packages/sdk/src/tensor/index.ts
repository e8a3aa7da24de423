/** Typed arrays with shapes and named axes. */
export { axisOf, concat, mapTensor, meanOver, plus, selectAlong, stack, subtract, sumOver, transpose, zeros, zipTensors } from "./ops.ts";
export { permute } from "./permute.ts";
export { requireLength, requireShape, shapeText, sizeOf, stridesOf } from "./shape.ts";
export { type AxisIndex, type DType, dtypeOf, type Nested, Tensor, type TensorData } from "./tensor.ts";
