// Toy models of superposition (Elhage et al. 2022): features through a bottleneck and back, relu(W_out W_in x + b), as a Spec of its own. Used by examples/16-superposition.mjs.
import { Model, SpecBuilder } from "tritlens";
import { Adam } from "tritlens/interp";
import { core } from "./study.mjs";

/** Five features, two dimensions. */
export const [FEATURES, HIDDEN] = [5, 2];
const [ROWS, STEPS] = [256, 2500];
const NAMES = ["W_in", "W_out", "b_out"];

/** Features are written into the site hook_x, so the one token means nothing. @param {"none" | "ternary"} quantizer @param {number} seed */
function featureModel(quantizer, seed) {
  const b = new SpecBuilder(1, 1);
  const normal = /** @type {const} */ ({ kind: "normal", std: 0.25 });
  const zero = /** @type {const} */ ({ kind: "constant", value: 0 });
  const x = b.site("hook_x", b.node({ op: "embed", w: b.param("embed.W_E", [1, FEATURES], zero) }), ["batch", "seq", FEATURES]);
  const hidden = b.node({ op: "linear", in: [x], w: b.param("W_in", [HIDDEN, FEATURES], normal, quantizer), b: null });
  b.site("hook_hidden", hidden, ["batch", "seq", HIDDEN]);
  const pre = b.node({
    op: "linear",
    in: [hidden],
    w: b.param("W_out", [FEATURES, HIDDEN], normal, quantizer),
    b: b.param("b_out", [FEATURES], zero),
  });
  const model = Model.fromSpec(b.build(b.node({ op: "act", in: [pre], fn: "relu" })), { seed });
  // Out the way in went, to begin with.
  const { data } = model.readParam("W_in");
  model.writeParam(
    "W_out",
    Float32Array.from({ length: data.length }, (_, i) => data[(i % HIDDEN) * FEATURES + Math.floor(i / HIDDEN)]),
  );
  return model;
}

/** What comes out for rows of features, [row, feature]; with a direction taken out of the hidden layer. @param {Model} model @param {number[][]} rows @param {ArrayLike<number>} [direction] */
export function reconstruct(model, rows, direction) {
  const data = Float32Array.from(rows.flat());
  /** @type {import("tritlens").Hook[]} */
  const hooks = [["hook_x", (x) => x.data.set(data)]];
  if (direction) hooks.push(["hook_hidden", { kind: "project", direction }]);
  const { logits } = model.runWithCache(tokens(rows.length), { names: [], hooks });
  return rows.map((_, i) => Array.from(logits.data.subarray(i * FEATURES, (i + 1) * FEATURES)));
}

/** @param {number} rows */
const tokens = (rows) => ({ data: new Int32Array(rows), shape: /** @type {const} */ ([rows, 1]) });

/**
 * Each feature is 0 with probability `sparsity`, else uniform in [0, 1); earlier ones matter more. The loss is a weighted square error, so the gradient of the output is handed over and the
 * parameters are stepped here; codes of a ternary model are quantised from them in every run.
 *
 * @param {"none" | "ternary"} quantizer @param {number} sparsity
 */
export function trainFeatures(quantizer, sparsity, seed = 0) {
  const model = featureModel(quantizer, seed);
  const states = NAMES.map((name) => ({ name, data: model.readParam(name).data, adam: new Adam(model.readParam(name).size, { lr: 0.01 }) }));
  const [uniform, x] = [new Float32Array(2 * ROWS * FEATURES), new Float32Array(ROWS * FEATURES)];
  for (let step = 0; step < STEPS; step++) {
    core.random(3, step, 0, uniform);
    for (let i = 0; i < x.length; i++) x[i] = uniform[2 * i] < sparsity ? 0 : uniform[2 * i + 1];
    const loss = (/** @type {import("tritlens").Tensor} */ y) => y.data.map((out, i) => (2 * 0.9 ** (i % FEATURES) * (out - x[i])) / ROWS);
    const { paramGrads } = model.runWithCache(tokens(ROWS), { names: [], hooks: [["hook_x", (a) => a.data.set(x)]], loss, paramGrads: NAMES });
    for (const { name, data, adam } of states) {
      adam.update(data, paramGrads.get(name).data, 1 - step / STEPS);
      model.writeParam(name, data);
    }
  }
  return model;
}
