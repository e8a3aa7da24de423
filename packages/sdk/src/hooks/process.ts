/**
 * TransformerLens's weight processing, as explicit calls: the same function in weights that are easier to read. Nothing here ever happens by itself, and every call returns a new model.
 * Formulas: TransformerLens, `ProcessWeights` (fold_layer_norm, center_writing_weights, center_unembed), in the core's layout [out, in].
 */
import { TritlensError } from "../core/errors.ts";
import type { Normalization, TransformerConfig } from "../models/index.ts";
import { Model } from "./model.ts";
import { isDense, keptParams } from "./stored.ts";

/** Values by parameter name. */
type Values = Map<string, Float32Array>;

/**
 * Folds the gains and biases of the norms into the matrices that read from them: W[:, i] *= w[i], b += W . beta (LayerNorm), and for LayerNorm takes the mean of each row of such a
 * matrix out of it, which a centred input does not see. The model that comes back has norms without parameters (`LN` becomes `LNPre`, `RMS` becomes `RMSPre`), biases where LayerNorm's had
 * to go, and an unembedding of its own if it was tied. Logits stay the same up to rounding.
 *
 * Not for packed or quantised weights: ternary codes times gains are no ternary codes.
 *
 * @throws E_MODE for low-bit weights or activations, and where it would change the function (positions added behind the norm; a gated MLP with TransformerLens's late b_in behind a
 * LayerNorm); E_SPEC for a model without a config.
 */
export function foldLn(model: Model): Model {
  const config = requireDense(model, "foldLn");
  if (config.linearNorm) throw changes("foldLn", "no norm between a norm and the matrices that read it", "linearNorm");
  const values = readAll(model);
  for (let layer = 0; layer < config.nLayers; layer++) foldBlock(config, values, `blocks.${layer}.`);
  if (config.finalNorm === "LN" || config.finalNorm === "RMS") untie(config, values);
  foldNorm(config.finalNorm, values, "ln_final.", [["unembed.W_U", "unembed.b_U"]]);
  return rebuild(model, values, {
    normalization: withoutParameters(config.normalization),
    finalNorm: withoutParameters(config.finalNorm),
    ...(config.normalization === "LN" ? { attnBias: true, mlpBias: true, gateBias: config.gatedMlp } : {}),
    ...(config.finalNorm === "LN" ? { unembedBias: true } : {}),
  });
}

/**
 * Takes the mean over the residual stream out of everything that writes to it: W_E and W_pos row by row, W_O, b_O, W_out and b_out over their outputs. LayerNorm subtracts that mean anyway, so
 * logits stay the same; differences along the all-ones direction, which no layer can read, disappear from the activations.
 *
 * @throws E_MODE for low-bit weights and for models with a norm that does not subtract the mean (RMS, none): there it would change the function.
 */
export function centerWritingWeights(model: Model): Model {
  const config = requireDense(model, "centerWritingWeights");
  for (const kind of [config.normalization, config.finalNorm])
    if (kind !== "LN" && kind !== "LNPre") throw changes("centerWritingWeights", "LN or LNPre everywhere: norms that subtract the mean", kind);
  const values = readAll(model);
  untie(config, values);
  const width = config.dModel;
  centreRows(values.get("embed.W_E"), width);
  // Shortformer's positions never enter the residual stream.
  if (config.positions === "standard") centreRows(values.get("pos_embed.W_pos"), width);
  for (const [name, data] of values) if (/^blocks\.\d+\.(attn\.[Wb]_O|mlp\.[Wb]_out)$/.test(name)) centreColumns(data, width);
  return rebuild(model, values, {});
}

/**
 * Takes the mean over the vocabulary out of W_U and b_U. Every logit of a position moves by the same number: log-probabilities stay, logits do not.
 *
 * @throws E_MODE for low-bit weights, E_SPEC for a model without a config.
 */
export function centerUnembed(model: Model): Model {
  const config = requireDense(model, "centerUnembed");
  const values = readAll(model);
  untie(config, values);
  for (const name of ["unembed.W_U", "unembed.b_U"]) centreColumns(values.get(name), config.dVocabOut);
  return rebuild(model, values, {});
}

function requireDense(model: Model, what: string): TransformerConfig {
  if (!model.config)
    throw new TritlensError("E_SPEC", `${what} needs to know what the parameters mean`, {
      expected: "a model with a config",
      found: "a model from a bare Spec",
    });
  const low = keptParams(model).find((p) => !isDense(p));
  if (low !== undefined)
    throw new TritlensError("E_MODE", `${what} is not possible with low-bit weights: codes times real numbers are no codes`, {
      expected: "dense weights",
      found: `${low.quant === "none" ? low.format : low.quant} in "${low.name}"`,
    });
  if (model.config.actQuant !== "none") throw changes(what, "activations in full precision", model.config.actQuant);
  return model.config;
}

function changes(what: string, expected: string, found: string): TritlensError {
  return new TritlensError("E_MODE", `${what} would change what this model computes`, { expected, found });
}

function readAll(model: Model): Values {
  return new Map(model.paramNames.map((name) => [name, model.readParam(name).data]));
}

/** Gives a tied model an unembedding of its own. */
function untie(c: TransformerConfig, values: Values): void {
  if (c.tiedEmbeddings) values.set("unembed.W_U", (values.get("embed.W_E") as Float32Array).slice());
}

function foldBlock(c: TransformerConfig, values: Values, at: string): void {
  // Positions that are added behind the norm must not be scaled by its gain.
  if (c.positions === "shortformer" && values.has(`${at}ln1.w`)) throw changes("foldLn", "positions standard, rotary or none", c.positions);
  const attention = ["Q", "K", "V"].map((x): [string, string] => [`${at}attn.W_${x}`, `${at}attn.b_${x}`]);
  foldNorm(c.normalization, values, `${at}ln1.`, attention);
  if (c.attnOnly) return;
  const mlp: [string, string][] = [[`${at}mlp.W_in`, `${at}mlp.b_in`]];
  if (c.gatedMlp) mlp.push([`${at}mlp.W_gate`, `${at}mlp.b_gate`]);
  const late = c.gatedMlp && !c.gateBias && values.get(`${at}mlp.b_in`)?.some((x) => x !== 0);
  if (late && values.has(`${at}ln2.b`)) throw changes("foldLn", "b_in before the product with the gate (gateBias)", "b_in after it");
  foldNorm(c.normalization, values, `${at}ln2.`, mlp);
}

/** Folds one norm into its readers (matrix, bias); drops its own parameters. */
function foldNorm(kind: Normalization, values: Values, at: string, readers: readonly (readonly [string, string])[]): void {
  const [w, b] = [values.get(`${at}w`), values.get(`${at}b`)];
  const centred = kind === "LN" || kind === "LNPre";
  for (const [weight, bias] of readers) {
    const matrix = values.get(weight) as Float32Array;
    const cols = w?.length ?? 0;
    if (b) values.set(bias, addProduct(values.get(bias), matrix, b));
    if (w) for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] as number) * (w[i % cols] as number);
    if (w && centred) centreRows(matrix, cols);
  }
  values.delete(`${at}w`);
  values.delete(`${at}b`);
}

/** bias + matrix . x, the matrix as it was before its columns are scaled. */
function addProduct(bias: Float32Array | undefined, matrix: Float32Array, x: Float32Array): Float32Array {
  const rows = matrix.length / x.length;
  return Float32Array.from({ length: rows }, (_, o) => {
    let sum = bias?.[o] ?? 0;
    for (let i = 0; i < x.length; i++) sum += (matrix[o * x.length + i] as number) * (x[i] as number);
    return sum;
  });
}

function withoutParameters(kind: Normalization): Normalization {
  return kind === "LN" ? "LNPre" : kind === "RMS" ? "RMSPre" : kind;
}

/** Subtracts from each row its mean. */
function centreRows(data: Float32Array | undefined, cols: number): void {
  for (let from = 0; from < (data?.length ?? 0); from += cols) centre(data as Float32Array, from, 1, cols);
}

/** Subtracts from each column its mean; a vector has one column. */
function centreColumns(data: Float32Array | undefined, rows: number): void {
  const cols = (data?.length ?? 0) / rows;
  for (let c = 0; c < cols; c++) centre(data as Float32Array, c, cols, rows);
}

function centre(data: Float32Array, from: number, step: number, n: number): void {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += data[from + k * step] as number;
  for (let k = 0; k < n; k++) data[from + k * step] = (data[from + k * step] as number) - sum / n;
}

/** A model of the changed config with these values; parameters that the old one did not have (biases) start at 0. */
function rebuild(model: Model, values: Values, change: Partial<TransformerConfig>): Model {
  const config = { ...(model.config as TransformerConfig), stored: false, tiedEmbeddings: !values.has("unembed.W_U"), ...change };
  const built = Model.fromConfig(config, { core: model.core });
  for (const name of built.paramNames) {
    const data = values.get(name);
    if (data) built.writeParam(name, data);
  }
  return built;
}
