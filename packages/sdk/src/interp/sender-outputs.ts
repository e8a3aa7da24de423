/** What every sender of a model's graph writes to the residual stream. */
import { type Model, Tensor, type TransformerConfig, TritlensError } from "tritlens";
import { type Activations, type ModelGraph, matrixInput, matrixInputSite } from "tritlens/interp";

/** Which activations {@link senderOutputs} needs. */
export function senderSites(model: Model, graph: ModelGraph): string[] {
  const c = graph.config;
  const names = ["hook_embed"];
  if (c.positions === "standard") names.push("hook_pos_embed");
  for (let layer = 0; layer < c.nLayers; layer++) {
    names.push(matrixInputSite(model, layer, "attn"));
    if (!c.attnOnly) names.push(`blocks.${layer}.hook_mlp_out`);
  }
  return names;
}

/**
 * Outputs of all senders in one run: [sender, row, d_model], rows being (example, position). A head's output is its part of the sum that W_O makes, without b_O. Where heads are normed together or
 * quantised before W_O, it is its part of what W_O multiplies, so that the parts still add up to the attention's output exactly.
 *
 * @param cache - Of a run that kept {@link senderSites}.
 * @param minus - A second run: the differences of both, which costs one product, not two.
 * @throws E_MEMORY, E_NAME for a cache without these activations.
 */
export function senderOutputs(model: Model, graph: ModelGraph, cache: Activations, minus?: Activations): Tensor {
  const { dModel, positions } = graph.config;
  const read = (name: string): Float32Array => {
    const a = cache.get(name).data;
    return minus ? difference(a, minus.get(name).data) : a;
  };
  const input = read("hook_embed");
  const size = input.length;
  const out = roomForAll(graph.senders.length * size);
  out.set(input);
  if (positions === "standard") addTo(out, read("hook_pos_embed"), size);
  // The same room for the matrices of all blocks: fresh memory each time costs more than the products.
  const weights = graph.config.nHeads * graph.config.dHead * dModel;
  const room = { stored: new Float32Array(weights), turned: new Float32Array(weights) };
  let at = size;
  for (const { kind, layer, head } of graph.senders) {
    if (kind === "mlp") out.set(read(`blocks.${layer}.hook_mlp_out`), at);
    else if (head === 0) writeHeads(model, graph.config, layer, cache, minus, out.subarray(at), room);
    if (kind !== "input") at += size;
  }
  return Tensor.from(out, [graph.senders.length, size / dModel, dModel], ["sender", "row", "d_model"]);
}

/** @throws E_MEMORY. */
function roomForAll(numbers: number): Float32Array {
  try {
    return new Float32Array(numbers);
  } catch (cause) {
    const [expected, found] = ["fewer examples at a time", `${4 * numbers} bytes`];
    throw new TritlensError("E_MEMORY", "no memory for the outputs of all senders", { expected, found, cause });
  }
}

/** W_O as it lies, [d_model, head x d_head], and turned. */
interface Room {
  readonly stored: Float32Array;
  readonly turned: Float32Array;
}

/** Outputs of the heads of one block, [head, row, d_model]. */
function writeHeads(
  model: Model,
  c: TransformerConfig,
  layer: number,
  cache: Activations,
  minus: Activations | undefined,
  out: Float32Array,
  room: Room,
): void {
  const { nHeads, dHead, dModel } = c;
  const width = nHeads * dHead;
  const first = matrixInput(model, cache, layer, "attn");
  const x = minus ? difference(first, matrixInput(model, minus, layer, "attn")) : first;
  const rows = x.length / width;
  model.core.effectiveParam(model.program, model.paramNames.indexOf(`blocks.${layer}.attn.W_O`), room.stored);
  const w = transposed(room.stored, dModel, width, room.turned);
  const part = new Float32Array(rows * dHead);
  for (let head = 0; head < nHeads; head++) {
    for (let r = 0; r < rows; r++) part.set(x.subarray(r * width + head * dHead, r * width + (head + 1) * dHead), r * dHead);
    const to = out.subarray(head * rows * dModel, (head + 1) * rows * dModel);
    model.core.matmul(part, w.subarray(head * dHead * dModel, (head + 1) * dHead * dModel), rows, dHead, dModel, to);
  }
}

/** Rows become columns, four rows at a time: they are read in order, and what is written together lies together. */
export function transposed(x: Float32Array, rows: number, cols: number, out: Float32Array = new Float32Array(x.length)): Float32Array {
  const whole = rows - (rows % 4);
  for (let r = 0; r < whole; r += 4) {
    const [a, b, c, d] = [r * cols, (r + 1) * cols, (r + 2) * cols, (r + 3) * cols];
    for (let i = 0, to = r; i < cols; i++, to += rows) {
      out[to] = x[a + i] as number;
      out[to + 1] = x[b + i] as number;
      out[to + 2] = x[c + i] as number;
      out[to + 3] = x[d + i] as number;
    }
  }
  for (let r = whole; r < rows; r++) for (let i = 0; i < cols; i++) out[i * rows + r] = x[r * cols + i] as number;
  return out;
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = (a[i] as number) - (b[i] as number);
  return out;
}

function addTo(out: Float32Array, x: Float32Array, size: number): void {
  for (let i = 0; i < size; i++) out[i] = (out[i] as number) + (x[i] as number);
}
