/** Where a ternary model has zeros: by matrix and layer, and inside of one matrix. */
import { type Model, Tensor, TritlensError, unknownName } from "tritlens";
import { requireCoded } from "tritlens/interp";
import { type Chart, Result } from "tritlens/plots";

/** Shares of codes of all matrices. */
export class SparsityMap extends Result {
  /** Share of zeros, [layer, matrix]; NaN where a layer has no such matrix of codes. */
  readonly zeros: Tensor;
  /** More +1 than -1: (number of +1 less that of -1) over that of both, from -1 to 1, [layer, matrix]. */
  readonly balance: Tensor;
  /** Names of the matrices within a block. */
  readonly matrices: readonly string[];

  constructor(zeros: Tensor, balance: Tensor, matrices: readonly string[]) {
    super();
    this.zeros = zeros;
    this.balance = balance;
    this.matrices = matrices;
  }

  override chart(): Chart {
    return {
      kind: "heatmap",
      title: "Share of zeros",
      values: this.zeros.data,
      y: { name: "layer", labels: Array.from({ length: this.zeros.shape[0] }, (_, i) => `${i}`) },
      x: { name: "matrix", labels: this.matrices.map((name) => name.replace(/^(attn|mlp)\./, "")) },
      scale: "sequential",
      range: [0, 1],
      unit: "share of zeros",
    };
  }
}

/**
 * Shares of zeros, and the balance of signs, of every matrix of codes.
 *
 * Shares of codes, not of effect: a matrix with many zeros may have large scales.
 *
 * @returns `zeros` and `balance`, [layer, matrix].
 * @throws E_MODE for a model without codes.
 */
export function sparsityMap(model: Model): SparsityMap {
  const names = requireCoded(model).map((name) => {
    const [, layer, short] = /^blocks\.(\d+)\.(.*)$/.exec(name) ?? [undefined, "0", name];
    return { name, layer: Number(layer), short };
  });
  const matrices = [...new Set(names.map(({ short }) => short))];
  const shape = [Math.max(...names.map(({ layer }) => layer)) + 1, matrices.length];
  const [zeros, balance] = [new Float32Array(shape[0] * shape[1]).fill(Number.NaN), new Float32Array(shape[0] * shape[1]).fill(Number.NaN)];
  for (const { name, layer, short } of names) {
    const { data } = model.trits(name);
    let [sum, used] = [0, 0];
    for (let i = 0; i < data.length; i++) {
      sum += data[i];
      used += data[i] & 1;
    }
    const at = layer * matrices.length + matrices.indexOf(short);
    zeros[at] = 1 - used / data.length;
    balance[at] = used === 0 ? 0 : sum / used;
  }
  const axes = ["layer", "matrix"];
  return new SparsityMap(Tensor.from(zeros, shape, axes), Tensor.from(balance, shape, axes), matrices);
}

/** Options of {@link matrixSparsity}. */
export interface MatrixSparsityOptions {
  /** Most blocks along each side of the map (64). */
  readonly blocks?: number;
}

/** Zeros inside of one matrix. */
export class MatrixSparsity extends Result {
  /** Share of zeros of blocks of the matrix, [out block, in block]. */
  readonly map: Tensor;
  /** Share of zeros of each row (output), [d_out]. */
  readonly outputs: Tensor;
  /** Share of zeros of each column (input), [d_in]; 1 for an input that nothing reads. */
  readonly inputs: Tensor;
  /** Name of the matrix. */
  readonly name: string;

  constructor(name: string, map: Tensor, outputs: Tensor, inputs: Tensor) {
    super();
    this.name = name;
    this.map = map;
    this.outputs = outputs;
    this.inputs = inputs;
  }

  override chart(): Chart {
    const labels = (count: number, total: number): string[] => Array.from({ length: count }, (_, i) => `${Math.floor((i * total) / count)}`);
    const [rows, columns] = this.map.shape;
    return {
      kind: "heatmap",
      title: `Zeros of ${this.name}`,
      caption: "Share of zeros of blocks of the matrix.",
      values: this.map.data,
      y: { name: "output", labels: labels(rows, this.outputs.size) },
      x: { name: "input", labels: labels(columns, this.inputs.size) },
      scale: "sequential",
      unit: "share of zeros",
    };
  }
}

/** Where one matrix has its zeros. @throws E_NAME for a matrix without codes, E_MODE for a model without any, E_RANGE. */
export function matrixSparsity(model: Model, name: string, { blocks = 64 }: MatrixSparsityOptions = {}): MatrixSparsity {
  const coded = requireCoded(model);
  if (!coded.includes(name)) throw unknownName("matrix with codes", name, coded);
  if (!Number.isInteger(blocks) || blocks < 1)
    throw new TritlensError("E_RANGE", "wrong number of blocks", { expected: "an integer of at least 1", found: String(blocks) });
  const codes = model.trits(name);
  const { data } = codes;
  const [rows, columns] = codes.shape;
  const [down, across] = [Math.min(blocks, rows), Math.min(blocks, columns)];
  const [outputs, inputs] = [new Float32Array(rows), new Float32Array(columns)];
  const [zeros, sizes] = [new Float32Array(down * across), new Float32Array(down * across)];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const block = Math.floor((i * down) / rows) * across + Math.floor((j * across) / columns);
      sizes[block]++;
      if (data[i * columns + j] !== 0) continue;
      zeros[block]++;
      outputs[i] += 1 / columns;
      inputs[j] += 1 / rows;
    }
  return new MatrixSparsity(
    name,
    Tensor.from(
      zeros.map((x, i) => x / sizes[i]),
      [down, across],
      ["out_block", "in_block"],
    ),
    Tensor.from(outputs, [rows], ["d_out"]),
    Tensor.from(inputs, [columns], ["d_in"]),
  );
}
