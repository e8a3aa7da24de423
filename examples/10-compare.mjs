// Where does quantisation change the circuit? A model that reverses lists, its ternary version, every activation beside the other. node examples/10-compare.mjs
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compareModels, convertModel, loadCore, Model, train } from "tritlens";

const core = await loadCore();
const [digits, length, rows] = [10, 6, 2000];
const pos = 2 * length;

// A list of digits, a mark, and the list backwards; only what comes after the mark is asked for.
const uniform = new Float32Array(rows * length);
core.random(1, 0, 0, uniform);
const tokens = new Int32Array(rows * pos);
const targets = new Int32Array(rows * pos).fill(-1);
for (let row = 0; row < rows; row++) {
  const list = Array.from(uniform.subarray(row * length, (row + 1) * length), (u) => Math.min(digits - 1, Math.floor(digits * u)));
  const line = [...list, digits, ...list.reverse()];
  tokens.set(line.slice(0, pos), row * pos);
  targets.set(line.slice(length + 1), row * pos + length);
}
/** @param {number} from @param {number} to */
const examples = (from, to) => ({
  tokens: { data: tokens.slice(from * pos, to * pos), shape: /** @type {const} */ ([to - from, pos]) },
  targets: targets.slice(from * pos, to * pos),
});
const data = { train: examples(0, rows - 200), test: examples(rows - 200, rows) };

const model = Model.fromConfig(
  { nLayers: 2, dModel: 64, dHead: 16, nHeads: 4, dMlp: 128, nCtx: pos, dVocab: digits + 1, normalization: "LN", actFn: "gelu" },
  { seed: 0 },
);
const options = { steps: 600, batchSize: 64, lr: 3e-3, warmupSteps: 20, weightDecay: 0.01, evalEvery: 300 };
for await (const e of train(model, data, options))
  if (e.testAccuracy !== undefined) console.log(`step ${e.step}: ${(100 * (e.testAccuracy ?? 0)).toFixed(1)} % of the digits right`);

// All matrices at once, then only those of one kind: whose quantisation does the damage?
const held = data.test.tokens;
const inAttention = ["q", "k", "v", "pattern", "z"].map((x) => `blocks.*.attn.hook_${x}`);
const names = [...inAttention, "blocks.*.hook_attn_out", "blocks.*.mlp.hook_post", "blocks.*.hook_mlp_out", "blocks.*.hook_resid_post"];
for (const part of ["blocks.*.attn.*", "blocks.*.mlp.*", "blocks.*.*.*"]) {
  const { model: ternary } = await convertModel(model, { format: "ternary", method: "leastSquares", granularity: "row", names: part, tokens: held });
  const comparison = await compareModels(model, ternary, held, { names });
  const { kl, top1 } = comparison.logits;
  const [worst] = comparison.worst(1);
  console.log(
    `\n${part} in three values: KL ${kl.toFixed(3)} nats, the same top class in ${(100 * top1).toFixed(1)} %; most changed: ${worst?.name}`,
  );
  if (part !== "blocks.*.*.*") continue;
  console.log(`\n${comparison}`);
  const path = join(tmpdir(), "tritlens-compare.svg");
  writeFileSync(path, comparison.toSvg("A ternary model beside its original"));
  console.log(`\npicture  ${pathToFileURL(path).href}`);
  if (!(kl > 0) || comparison.sites.length !== 18) process.exit(1);
}
