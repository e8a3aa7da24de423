/** Writes ONNX models of one matrix product: just enough of the protocol buffers for it (onnx.proto3 of the ONNX specification has the field numbers). */

const varint = (value) => {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
};
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const body = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
};
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

const FLOAT = 1;
const UINT8 = 2;
const INT8 = 3;
const INT = 2;

const asBytes = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
const tensor = (name, type, dims, data) => message(5, ...dims.map((dim) => number(1, dim)), number(2, type), bytes(8, name), bytes(9, asBytes(data)));
/** AttributeProto: name 1, i 3, type 20. */
const attribute = ([name, value]) => message(5, bytes(1, name), number(3, value), number(20, INT));
/** NodeProto: input 1, output 2, op_type 4, attribute 5, domain 7. */
const node = (op, inputs, outputs, { domain = "", ...attributes } = {}) =>
  message(
    1,
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, op),
    ...Object.entries(attributes).map(attribute),
    bytes(7, domain),
  );
/** ValueInfoProto of a float matrix [m, columns]: name 1, type 2 > tensor_type 1 > elem_type 1, shape 2 > dim 1 > dim_value 1 or dim_param 2. */
const value = (field, name, columns) =>
  message(field, bytes(1, name), message(2, message(1, number(1, FLOAT), message(2, message(1, bytes(2, "m")), message(1, number(1, columns))))));

/** ModelProto: ir_version 1, graph 7, opset_import 8; GraphProto: node 1, name 2, initializer 5, input 11, output 12. */
function model(cols, rows, nodes, tensors) {
  const graph = message(7, ...nodes, bytes(2, "product"), ...tensors, value(11, "x", cols), value(12, "y", rows));
  const opset = (domain, version) => message(8, bytes(1, domain), number(2, version));
  return Buffer.concat([number(1, 8), graph, opset("", 17), opset("com.microsoft", 1)]);
}

/** `y[m, rows] = x[m, cols] w[rows, cols]^T` in f32; `w` are codes, `scale` what a code is worth. */
export function f32Model(w, rows, cols, scale) {
  const data = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) for (let k = 0; k < cols; k++) data[k * rows + row] = scale * w[row * cols + k];
  return model(cols, rows, [node("MatMul", ["x", "w"], ["y"])], [tensor("w", FLOAT, [cols, rows], data)]);
}

/** The same with dynamically quantised activations and int8 weights. */
export function int8Model(w, rows, cols, scale) {
  const data = new Int8Array(rows * cols);
  for (let row = 0; row < rows; row++) for (let k = 0; k < cols; k++) data[k * rows + row] = w[row * cols + k];
  const nodes = [
    node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
    node("MatMulInteger", ["q", "w", "z"], ["i"]),
    node("Cast", ["i"], ["f"], { to: FLOAT }),
    node("Mul", ["s", "ws"], ["sw"]),
    node("Mul", ["f", "sw"], ["y"]),
  ];
  return model(cols, rows, nodes, [tensor("w", INT8, [cols, rows], data), tensor("ws", FLOAT, [], Float32Array.of(scale))]);
}

const BLOCK = 32;
/** The same with `bits` bits a weight in blocks of 32 with a scale each (MatMulNBits), int8 activations inside. */
export function nbitsModel(w, rows, cols, scale, bits) {
  const [each, middle] = [8 / bits, 1 << (bits - 1)];
  const data = new Uint8Array((rows * cols) / each);
  for (let i = 0; i < w.length; i++) data[Math.floor(i / each)] |= (w[i] + middle) << (bits * (i % each));
  const attributes = { domain: "com.microsoft", K: cols, N: rows, bits, block_size: BLOCK, accuracy_level: 4 };
  const blocks = cols / BLOCK;
  const tensors = [
    tensor("w", UINT8, [rows, blocks, BLOCK / each], data),
    tensor("s", FLOAT, [rows * blocks], new Float32Array(rows * blocks).fill(scale)),
  ];
  return model(cols, rows, [node("MatMulNBits", ["x", "w", "s"], ["y"], attributes)], tensors);
}
