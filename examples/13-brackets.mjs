// Balanced brackets: how does a model notice that a bracket was closed too early, long after the count is right again? node examples/13-brackets.mjs [FOLDER]
import { Model } from "tritlens";
import { getActPatchAttnHeadOutByPos, getActPatchResidPre, logitDiff, measureVariants, normalized } from "tritlens/interp";
import { conclude, dataOf, dice, fit, percent, picture } from "./lib/study.mjs";

const [OPEN, CLOSE, START, LENGTH] = [0, 1, 2, 21];
const [BALANCED, PENDING, BROKEN] = [0, 1, 2];
const roll = dice(1);

/** After every bracket: all closed, some still open, or broken for good. @param {number[]} line */
function verdicts(line) {
  let [depth, broken] = [0, false];
  return line.map((token) => {
    depth += token === OPEN ? 1 : token === CLOSE ? -1 : 0;
    broken ||= depth < 0;
    return broken ? BROKEN : depth > 0 ? PENDING : BALANCED;
  });
}

/** Half of the lines are random, half never close what is not open. */
function line(careful = roll(2) === 0, start = [START]) {
  const tokens = [...start];
  for (let depth = 0; tokens.length < LENGTH; ) {
    const token = careful && depth === 0 ? OPEN : roll(2);
    depth += token === OPEN ? 1 : -1;
    tokens.push(token);
  }
  return tokens;
}
const rows = Array.from({ length: 10_000 }, () => line()).map((tokens) => ({ tokens, targets: verdicts(tokens) }));
const data = dataOf(rows);

// Pairs that differ in one mistake at the very beginning: ")(" or "()", and the same careful line behind it.
const rests = Array.from({ length: 64 }, () => line(true, [START, CLOSE, OPEN]));
const clean = rests;
const corrupt = rests.map((tokens) => [START, OPEN, CLOSE, ...tokens.slice(3)]);
const answers = corrupt.map((tokens) => verdicts(tokens)[LENGTH - 1]);
const broken = logitDiff(BROKEN, answers);

const panels = [];
const found = [];
for (const mode of /** @type {const} */ (["none", "ternary"])) {
  const sizes = { nLayers: 2, dModel: 32, nHeads: 2, dHead: 16, dMlp: 64, nCtx: LENGTH, dVocab: 3 };
  const model = Model.fromConfig({ ...sizes, positions: "none", quantizer: mode }, { seed: 0 });
  await fit(model, data, { name: mode === "none" ? "dense" : mode, steps: 500, batchSize: 64, lr: 0.005, schedule: "cosine" });
  const { cache } = model.runWithCache(clean);
  const { plain, values: [clean_] } = await measureVariants(model, corrupt, [], broken);
}
