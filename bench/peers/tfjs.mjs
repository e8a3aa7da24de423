/**
 * TensorFlow.js with its WASM backend as a side of bench/contest.mjs, in Node: `node tfjs.mjs FOLDER P`, where FOLDER has the npm packages.
 * `{"ask":"open","type":"f32","rows","cols","m"}` is a product, `{"ask":"open","type":"training"}` a full-batch step of modular addition at p = P.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { checkProduct, floats, serve } from "./serve.mjs";

const [folder, p] = [process.argv[2], Number(process.argv[3])];
const require = createRequire(join(folder, "package.json"));
// tfjs prints advice to the console, which is where answers go.
console.log = console.info = console.warn = (...words) => process.stderr.write(`${words.join(" ")}\n`);
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(`${join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist")}/`);
await tf.setBackend("wasm");
await tf.ready();

function product({ rows, cols, m }) {
  const [a, b] = [floats(m * cols), floats(rows * cols)];
  const [x, w] = [tf.tensor2d(a, [m, cols]), tf.tensor2d(b, [rows, cols]).transpose()];
  const run = () => {
    const y = tf.matMul(x, w);
    const data = y.dataSync();
    y.dispose();
    return data;
  };
  checkProduct(run(), a, (row, k) => b[row * cols + k], [rows, cols, m], 1e-3);
  return { work: rows * cols * m, run, close: () => tf.dispose([x, w]) };
}

const [D, H, HD, M] = [128, 4, 32, 512];
const SHAPES = { W_E: [p + 1, D], W_Q: [D, D], W_K: [D, D], W_V: [D, D], W_O: [D, D], W_in: [D, M], W_out: [M, D], gain: [D], W_U: [D, p] };

/** The examples as one-hot rows, since gather has no gradient on this backend: [n * 3, p + 1] tokens and [n, p] targets. */
function examples() {
  const chosen = Array.from({ length: p * p }, (_, i) => i).filter((i) => (i * 7919) % 10 < 3);
  const tokens = chosen.flatMap((i) => [Math.floor(i / p), i % p, p]);
  const targets = chosen.map((i) => (Math.floor(i / p) + (i % p)) % p);
  const oneHot = (list, width) => tf.tidy(() => tf.oneHot(tf.tensor1d(list, "int32"), width).toFloat());
  return { n: chosen.length, tokens: oneHot(tokens, p + 1), targets: oneHot(targets, p) };
}

/** Li's architecture at all positions and cross-entropy of the last, as bench/peers/train_li.py's `plain`. */
function loss(W, { n, tokens, targets }) {
  const heads = (x) => x.reshape([n, 3, H, HD]).transpose([0, 2, 1, 3]);
  const x = tf.matMul(tokens, W.W_E);
  const [q, k, v] = ["W_Q", "W_K", "W_V"].map((name) => heads(tf.matMul(x, W[name])));
  const pattern = tf.softmax(tf.matMul(q, k, false, true).div(Math.sqrt(D)));
  const z = tf
    .matMul(pattern, v)
    .transpose([0, 2, 1, 3])
    .reshape([n * 3, D]);
  const mid = x.add(tf.matMul(z, W.W_O));
  const out = mid
    .add(tf.matMul(tf.relu(tf.matMul(mid, W.W_in)), W.W_out))
    .reshape([n, 3 * D])
    .slice([0, 2 * D], [n, D]);
  const normed = out.div(out.square().sum(1, true).sqrt()).mul(Math.sqrt(D)).mul(W.gain);
  const logits = tf.matMul(normed, W.W_U);
  const shifted = logits.sub(logits.max(1, true));
  return shifted.sub(shifted.exp().sum(1, true).log()).mul(targets).sum(1).mean().neg();
}

/** AdamW as PyTorch orders it. */
function training() {
  const W = Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => [
      name,
      tf.variable(name === "gain" ? tf.ones(shape) : tf.randomNormal(shape, 0, shape[0] ** -0.5, "float32", 3)),
    ]),
  );
  const variables = Object.values(W);
  const moments = variables.map((each) => [tf.variable(tf.zerosLike(each)), tf.variable(tf.zerosLike(each))]);
  const data = examples();
  let t = 0;
  const run = () => {
    t += 1;
    const { value, grads } = tf.variableGrads(() => tf.tidy(() => loss(W, data)), variables);
    tf.tidy(() => {
      for (const [i, each] of variables.entries()) {
        const [g, [m, v]] = [grads[each.name], moments[i]];
        m.assign(m.mul(0.9).add(g.mul(0.1)));
        v.assign(v.mul(0.98).add(g.square().mul(0.02)));
        const denominator = v
          .div(1 - 0.98 ** t)
          .sqrt()
          .add(1e-8);
        each.assign(
          each.mul(1 - 1e-3).sub(
            m
              .div(1 - 0.9 ** t)
              .div(denominator)
              .mul(1e-3),
          ),
        );
      }
    });
    const found = value.dataSync()[0];
    tf.dispose([value, ...Object.values(grads)]);
    return found;
  };
  const losses = [run(), run(), run()];
  // Other weights than ours (this backend has no int8 and no gather), so the check is that it starts near log p and learns.
  if (!(Math.abs(losses[0] - Math.log(p)) < 1.5 && losses[2] < losses[0])) throw new Error(`losses ${losses}`);
  return { work: 1, run };
}

await serve(async (request) => (request.type === "training" ? training() : product(request)));
