/** Matches the parameters of a model with the tensors of a file: everything is checked here, from headers alone, before anything is allocated. */
import { TritlensError, unknownName } from "../core/errors.ts";
import type { ParamSpec, Spec } from "../spec/index.ts";
import type { CheckpointFiles, FileTensor } from "./files.ts";
import type { Recipe, RowMap, WeightSource } from "./recipe.ts";

/** How a parameter is filled. */
export interface Fill {
  /** Index of the parameter in the Spec. */
  readonly index: number;
  readonly param: ParamSpec;
  readonly tensor: FileTensor;
  readonly rows?: RowMap;
  readonly transposed: boolean;
  /**
   * `bytes`: moved as they are into a stored matrix of `format`; `absmean` and `ternary`: quantised to, or recognised as, codes and one scale on the way;
   * `floats`: decoded into an ordinary parameter.
   */
  readonly how: "bytes" | "absmean" | "ternary" | "floats";
  /** Format in memory, as `openStored` and `setStoredCodes` name it; `f32` for ordinary parameters. */
  readonly format: string;
  /** The scale of packed rows, and whether it divides. */
  readonly scale?: { readonly tensor: FileTensor; readonly divides: boolean };
}

/** Types of floats, by the format in which they are stored. */
const FLOATS: ReadonlyMap<string, string> = new Map([
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
]);

/** Block types of GGUF that matrices keep. */
const BLOCKS: ReadonlyMap<string, string> = new Map(
  ["Q8_0", "Q4_0", "Q4_K", "Q6_K", "Q1_0", "Q2_0", "TQ1_0", "TQ2_0", "I2_S"].map((type) => [type, type.toLowerCase()]),
);
const TERNARY: ReadonlySet<string> = new Set(["TQ1_0", "TQ2_0", "I2_S"]);

/** Options of {@link matchWeights}. */
export interface MatchOptions {
  /** Layout of I2_S tensors. */
  readonly i2sLayout: "x86" | "neon";
}

/**
 * What to do for every parameter, in the order in which the files hold the tensors.
 *
 * @throws E_NAME for a tensor that is missing or has no place in the model, E_SHAPE for one whose shape contradicts the configuration, E_FORMAT for an
 * element type that has no place here.
 */
export function matchWeights(recipe: Recipe, spec: Spec, files: CheckpointFiles, options: MatchOptions): Fill[] {
  const sources = new Map(recipe.weights.map((w) => [w.param, w]));
  const used = new Set<string>();
  const fills = spec.params.map((param, index) => {
    const source = sources.get(param.name) as WeightSource;
    const fill = fillOf(index, param, source, files, options);
    used.add(fill.tensor.name);
    if (fill.scale) used.add(fill.scale.tensor.name);
    return fill;
  });
  for (const name of files.tensors.keys()) {
    if (!used.has(name) && !recipe.ignored.test(name)) throw unexpected(name, files.name, used);
  }
  const order = new Map([...new Set(fills.map((f) => f.tensor.source))].map((s, i) => [s, i]));
  const rank = (f: Fill): number => order.get(f.tensor.source) as number;
  return fills.sort((a, b) => rank(a) - rank(b) || a.tensor.offset - b.tensor.offset);
}

function fillOf(index: number, param: ParamSpec, source: WeightSource, files: CheckpointFiles, options: MatchOptions): Fill {
  const tensor = find(files, source.tensor);
  const matrix = param.shape.length === 2;
  const packed = matrix && (source.packing === "multiply" || source.packing === "divide");
  requireShape(tensor, param, expectedShape(param, source, packed));
  const common = { index, param, tensor, transposed: matrix && source.transposed === true, ...(source.rows ? { rows: source.rows } : {}) };
  if (packed) {
    requireType(tensor, ["U8"], "packed ternary rows");
    return { ...common, how: "bytes", format: "hf", scale: { tensor: scaleTensor(files, source.tensor), divides: source.packing === "divide" } };
  }
  if (!param.stored) {
    requireType(tensor, FLOATS.keys(), matrix ? "the option trainable" : "vectors");
    return { ...common, how: "floats", format: "f32" };
  }
  if (source.packing !== undefined && FLOATS.has(tensor.type))
    return { ...common, how: source.packing === "absmean" ? "absmean" : "ternary", format: "ternary2" };
  requireType(tensor, source.packing === undefined ? [...FLOATS.keys(), ...gguf(files, BLOCKS.keys())] : gguf(files, TERNARY), "this matrix");
  return { ...common, how: "bytes", format: storedFormat(tensor, source.rows, options) };
}

function gguf(files: CheckpointFiles, types: Iterable<string>): string[] {
  return files.kind === "gguf" ? [...types] : [];
}

function storedFormat(tensor: FileTensor, rows: RowMap | undefined, { i2sLayout }: MatchOptions): string {
  if (tensor.type !== "I2_S") return FLOATS.get(tensor.type) ?? (BLOCKS.get(tensor.type) as string);
  const block = i2sLayout === "neon" ? 64 : 128;
  const cols = tensor.shape[1] as number;
  if (rows && cols % block !== 0) {
    const expected = `a multiple of ${block} columns, as its rows have to be put in another order`;
    throw new TritlensError("E_FORMAT", `tensor "${tensor.name}" of type I2_S`, { expected, found: `${cols} columns` });
  }
  return i2sLayout === "neon" ? "i2_s_neon" : "i2_s";
}

function find(files: CheckpointFiles, name: string): FileTensor {
  const tensor = files.tensors.get(name);
  if (tensor) return tensor;
  throw new TritlensError("E_NAME", `${files.name} lacks tensor "${name}"`, {
    expected: name,
    found: `${files.tensors.size} other tensors`,
    ...near(name, files.tensors.keys(), files.tensors.size),
  });
}

/** Near names only where looking for them is quick. */
function near(name: string, names: Iterable<string>, count: number): { nearest?: string } {
  const nearest = count <= 500 ? unknownName("tensor", name, names).nearest : undefined;
  return nearest === undefined ? {} : { nearest };
}

function unexpected(name: string, file: string, used: ReadonlySet<string>): TritlensError {
  return new TritlensError("E_NAME", `${file}: the configuration has no place for tensor "${name.slice(0, 200)}"`, {
    expected: `${used.size} tensors that the configuration names`,
    found: name.slice(0, 200),
    ...near(name.slice(0, 200), used, used.size),
  });
}

/** The tensor's shape that the configuration asks for. */
function expectedShape(param: ParamSpec, source: WeightSource, packed: boolean): number[] {
  const [rows, cols] = [source.rows?.of ?? (param.shape[0] as number), param.shape[1]];
  if (cols === undefined) return [rows];
  if (packed) return [rows / 4, cols];
  return source.transposed ? [cols, rows] : [rows, cols];
}

function requireShape(tensor: FileTensor, param: ParamSpec, expected: readonly number[]): void {
  if (tensor.shape.length === expected.length && expected.every((d, i) => d === tensor.shape[i])) return;
  throw new TritlensError("E_SHAPE", `tensor "${tensor.name}" contradicts the configuration (${sizesOf(param.name)})`, {
    expected: `[${expected.join(", ")}]`,
    found: `[${tensor.shape.join(", ")}]`,
  });
}

/** Which sizes of the configuration a parameter's shape depends on. */
function sizesOf(name: string): string {
  const short = name.slice(name.lastIndexOf(".") + 1);
  if (short === "W_E" || short === "W_U") return "vocabulary x hidden size";
  if (short === "W_pos") return "positions x hidden size";
  if (/^[Wb]_[QKVO]$/.test(short)) return "heads x width of a head, hidden size";
  if (/^[Wb]_(in|gate|out)$/.test(short)) return "intermediate size, hidden size";
  return "size of a norm";
}

function requireType(tensor: FileTensor, types: Iterable<string>, what: string): void {
  const list = [...types];
  if (list.includes(tensor.type)) return;
  throw new TritlensError("E_FORMAT", `tensor "${tensor.name}" has an element type that ${what} cannot have`, {
    expected: list.join(", "),
    found: tensor.type,
  });
}

/** `weight_scale` of a packed matrix: one float. */
function scaleTensor(files: CheckpointFiles, weight: string): FileTensor {
  const tensor = find(files, `${weight.replace(/\.weight$/, "")}.weight_scale`);
  requireType(tensor, FLOATS.keys(), "a scale");
  if (tensor.shape.reduce((a, b) => a * b, 1) === 1) return tensor;
  throw new TritlensError("E_SHAPE", `tensor "${tensor.name}"`, { expected: "[1]", found: `[${tensor.shape.join(", ")}]` });
}
