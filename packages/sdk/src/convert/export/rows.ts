/** Tensors of a file, put together from rows of a model's parameters: the way back from a loader's recipe. */
import type { Recipe, WeightSource } from "../../checkpoint/recipe.ts";
import type { Model } from "../../hooks/index.ts";
import { type KeptParam, keptParams } from "../../hooks/stored.ts";
import { transformerSpec } from "../../models/index.ts";

/** A tensor to be written. */
export interface TargetTensor {
  readonly name: string;
  /** [rows, cols] as the recipe counts rows, or [length]. A transposed tensor is written as [cols, rows]. */
  readonly shape: readonly number[];
  readonly transposed: boolean;
  readonly packing: WeightSource["packing"];
  /** Parameters it is made of. */
  readonly parts: readonly KeptParam[];
  /** For each row which part, and which row of it; undefined when it is one parameter as it is. */
  readonly rows?: { readonly part: Uint8Array; readonly row: Int32Array };
}

/** Index of a parameter that the file needs and the model does not have: a gain of ones or a bias of zeros. */
const CONSTANT = -1;

/** The tensors that a recipe names, from a model whose configuration is the recipe's but for neutral gains and biases. Biases of zeros without a place are left out. */
export function targetTensors(recipe: Recipe, model: Model): TargetTensor[] {
  const have = new Map(keptParams(model).map((p) => [p.name, p]));
  const params = new Map(transformerSpec(recipe.config).params.map((p) => [p.name, have.get(p.name) ?? constant(p.name, p.shape)]));
  const byTensor = new Map<string, WeightSource[]>();
  for (const w of recipe.weights) if (params.has(w.param)) byTensor.set(w.tensor, [...(byTensor.get(w.tensor) ?? []), w]);
  return [...byTensor].map(([name, sources]) => tensorOf(name, sources, params));
}

function constant(name: string, shape: readonly number[]): KeptParam {
  return {
    name,
    shape: [...shape],
    index: CONSTANT,
    format: "f32",
    quant: "none",
    stored: false,
    offset: 0,
    length: shape.reduce((x, y) => x * y, 1),
  };
}

function tensorOf(name: string, sources: readonly WeightSource[], params: ReadonlyMap<string, KeptParam>): TargetTensor {
  const parts = sources.map((s) => params.get(s.param) as KeptParam);
  const [first, part] = [sources[0] as WeightSource, parts[0] as KeptParam];
  const shape = [first.rows?.of ?? (part.shape[0] as number), ...part.shape.slice(1)];
  const transposed = first.transposed === true && shape.length === 2;
  return {
    name,
    shape,
    transposed,
    packing: first.packing,
    parts,
    ...(sources.some((s) => s.rows) ? { rows: places(shape[0] as number, sources, parts) } : {}),
  };
}

function places(count: number, sources: readonly WeightSource[], parts: readonly KeptParam[]): NonNullable<TargetTensor["rows"]> {
  const [part, row] = [new Uint8Array(count), new Int32Array(count).fill(-1)];
  for (const [k, { rows }] of sources.entries()) {
    for (let r = 0; r < ((parts[k] as KeptParam).shape[0] as number); r++) {
      const [block, inside] = rows ? [Math.floor(r / rows.block), r % rows.block] : [0, r];
      const at = rows ? rows.at(block) + (rows.order?.[inside] ?? inside) : r;
      part[at] = k;
      row[at] = r;
    }
  }
  return { part, row };
}

/** Reads rows of parameters as f32. Ordinary parameters are read whole and the last one is kept; `latent` gives master weights where there are any. */
export class RowReader {
  readonly #model: Model;
  readonly #latent: boolean;
  #held: { name: string; data: Float32Array } | undefined;

  constructor(model: Model, latent: boolean) {
    this.#model = model;
    this.#latent = latent;
  }

  /** Rows `first` to `first + count` of a tensor, [count, cols]. */
  read(t: TargetTensor, first: number, count: number): Float32Array {
    const cols = t.shape[1] ?? 1;
    const out = new Float32Array(count * cols);
    for (let i = 0; i < count; ) {
      const n = t.rows ? run(t.rows, first + i, count - i) : count;
      const part = t.parts[t.rows?.part[first + i] ?? 0] as KeptParam;
      this.#copy(part, t.rows?.row[first + i] ?? first, n, cols, out.subarray(i * cols, (i + n) * cols));
      i += n;
    }
    return out;
  }

  #copy(p: KeptParam, first: number, count: number, cols: number, out: Float32Array): void {
    if (p.index === CONSTANT) {
      out.fill(p.name.endsWith(".w") ? 1 : 0);
      return;
    }
    if (p.stored) {
      this.#model.core.readStoredRows(this.#model.program, p.index, first, count, out);
      return;
    }
    if (this.#held?.name !== p.name) this.#held = { name: p.name, data: this.#model.readParam(p.name, { effective: !this.#latent }).data };
    out.set(this.#held.data.subarray(first * cols, (first + count) * cols));
  }
}

/** How many rows from `at` follow each other in one part. */
function run({ part, row }: NonNullable<TargetTensor["rows"]>, at: number, most: number): number {
  let n = 1;
  while (n < most && part[at + n] === part[at] && row[at + n] === (row[at] as number) + n) n++;
  return n;
}
