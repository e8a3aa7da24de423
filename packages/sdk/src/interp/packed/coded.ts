/** Which matrices of a model have codes -1, 0 and 1, and how they are cut into heads. */
import { type Model, Tensor, TritlensError, unknownName } from "tritlens";
import { configOf, flippedMatrix, requireIndex } from "tritlens/interp";

/** Formats of matrices that are kept packed. */
const PACKED = new Set(["binary", "ternary2", "ternary5"]);

/** Names of all parameters that are codes times scales: quantised while training, or packed in a checkpoint. @throws E_CLOSED. */
export function codedMatrices(model: Model): string[] {
  const { params } = model.core.describe(model.program);
  return params.filter((p, i) => (p.stored ? PACKED.has(model.core.describeStored(model.program, i).format) : p.quant !== "none")).map((p) => p.name);
}

/** Names as of {@link codedMatrices}, of which there has to be one. @throws E_MODE for a model without any. */
export function requireCoded(model: Model): string[] {
  const names = codedMatrices(model);
  if (names.length > 0) return names;
  throw new TritlensError("E_MODE", "the model has no matrix of codes", {
    expected: "a binary or ternary model (a quantizer in its config, convertModel, or a packed checkpoint)",
    found: "full precision",
  });
}

/** Codes of one matrix as rows that can be compared. */
export interface CodeRows {
  /** Codes, row-major [rows, cols]. */
  readonly codes: Int8Array;
  /** Number of things that are compared. */
  readonly rows: number;
  /** Codes of each. */
  readonly cols: number;
  /** Their names. */
  readonly labels: readonly string[];
}

/** What is compared: whole matrices of layers, the parts of them that belong to heads, or single rows (outputs) and columns (inputs) of one matrix. */
export type CodeUnit = "layers" | "heads" | "rows" | "columns";

/** Which codes to compare. */
export interface CodeRowsOptions {
  /** Name within a block: `attn.W_Q`, `mlp.W_in`. */
  readonly weight: string;
  /** What is a row of the answer. */
  readonly unit: CodeUnit;
  /** Layers to look at; all of them when left out. Rows and columns need exactly one. */
  readonly layers?: readonly number[];
}

/**
 * Codes of the matrices of one kind, cut into what is to be compared.
 *
 * @returns Codes [row, code] with a name for each row.
 * @throws E_NAME for a matrix that does not exist or has no codes, E_RANGE for layers, E_MODE for heads of a matrix without heads, or a model without codes.
 */
export function codeRows(model: Model, { weight, unit, layers }: CodeRowsOptions): CodeRows {
  const { nLayers } = configOf(model);
  const coded = new Set(requireCoded(model));
  for (const layer of layers ?? []) requireIndex("layer", layer, nLayers);
  const chosen = layers ?? Array.from({ length: nLayers }, (_, i) => i);
  const matrices = chosen.map((layer) => {
    const name = `blocks.${layer}.${weight}`;
    if (!coded.has(name)) throw unknownName("matrix with codes", name, coded);
    return { layer, codes: model.trits(name) };
  });
  if (unit === "layers") return joined(matrices.map(({ layer, codes }) => ({ label: `L${layer}`, codes: codes.data })));
  if (unit === "heads") return joined(matrices.flatMap(({ layer, codes }) => headsOf(model, weight, layer, codes)));
  if (unit !== "rows" && unit !== "columns")
    throw new TritlensError("E_NAME", "unknown unit of codes", { expected: "layers, heads, rows or columns", found: String(unit) });
  const [only] = matrices;
  if (matrices.length !== 1 || only === undefined)
    throw new TritlensError("E_RANGE", `${unit} are compared within one layer`, { expected: "layers: [one]", found: `${matrices.length} layers` });
  const codes = unit === "rows" ? only.codes : flippedCodes(only.codes);
  const [rows, cols] = codes.shape;
  return { codes: codes.data, rows, cols, labels: Array.from({ length: rows }, (_, i) => `${i}`) };
}

/** Rows of W_Q, W_K and W_V and columns of W_O belong to heads. */
function headsOf(model: Model, weight: string, layer: number, codes: Tensor<Int8Array>): { label: string; codes: Int8Array }[] {
  const { nHeads, nKeyValueHeads } = configOf(model);
  const heads = { "attn.W_Q": nHeads, "attn.W_K": nKeyValueHeads, "attn.W_V": nKeyValueHeads, "attn.W_O": nHeads }[weight];
  if (heads === undefined)
    throw new TritlensError("E_MODE", `"${weight}" has no heads`, { expected: "attn.W_Q, attn.W_K, attn.W_V or attn.W_O", found: weight });
  const { data } = weight === "attn.W_O" ? flippedCodes(codes) : codes;
  const size = data.length / heads;
  return Array.from({ length: heads }, (_, head) => ({ label: `L${layer}H${head}`, codes: data.subarray(head * size, (head + 1) * size) }));
}

function joined(units: readonly { readonly label: string; readonly codes: Int8Array }[]): CodeRows {
  const cols = units[0]?.codes.length ?? 0;
  const codes = new Int8Array(units.length * cols);
  for (const [i, unit] of units.entries()) codes.set(unit.codes, i * cols);
  return { codes, rows: units.length, cols, labels: units.map(({ label }) => label) };
}

/** The transpose of a matrix of codes: [out, in] as [in, out]. */
export function flippedCodes(codes: Tensor<Int8Array>): Tensor<Int8Array> {
  const [rows, cols] = codes.shape;
  return Tensor.from(flippedMatrix(codes.data, rows, cols), [cols, rows], codes.axes.toReversed());
}
