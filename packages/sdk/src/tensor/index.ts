/** Typed arrays with shapes and named axes. */
export { requireLength, requireShape, shapeText, sizeOf, stridesOf } from "./shape.ts";
export { type AxisIndex, type DType, dtypeOf, type Nested, Tensor, type TensorData } from "./tensor.ts";
