// Balanced brackets: how does a model remember that a bracket was closed too early, long after the count is right again? node examples/13-brackets.mjs [FOLDER]
import { Model } from "tritlens";
import { answerAccuracy, getActPatchAttnHeadOutByPos, getActPatchResidPre, logitDiff, measureVariants } from "tritlens/interp";
import { BROKEN, bracketData, early, fine, LENGTH, verdicts } from "./lib/brackets.mjs";
import { conclude, learn, mean, percent, picture, topHead } from "./lib/study.mjs";

const data = bracketData();
const right = fine.map((tokens) => verdicts(tokens)[LENGTH - 1]);
const verdictDiff = logitDiff(BROKEN, right);
const posLabels = early[0].map((_, i) => (i === 0 ? "start" : i < 3 ? ")("[i - 1] : `${i}`));

const results = [];
for (const mode of /** @type {const} */ (["none", "ternary"])) {
  const name = mode === "none" ? "dense" : mode;
  const sizes = { nLayers: 2, dModel: 32, nHeads: 2, dHead: 16, dMlp: 64, nCtx: LENGTH, dVocab: 3 };
  const model = Model.fromConfig({ ...sizes, positions: "none", quantizer: mode }, { seed: 0 });
  await learn(model, data, { name, steps: 500, batchSize: 64, lr: 0.005, schedule: "cosine" });

  // Where is the mistake known? Patch the broken lines into the fine ones: the residual stream by position, then every head at the last bracket.
  const [brokenRun, fineRun] = [model.runWithCache(early), model.runWithCache(fine)];
  const where = (await getActPatchResidPre(model, fine, brokenRun.cache, verdictDiff, { posLabels })).chart();
  picture(`brackets-${name}`, { ...where, title: `Where the early mistake is known, layer by layer (${name})` });
  const byHead = await getActPatchAttnHeadOutByPos(model, fine, brokenRun.cache, verdictDiff);
  const [layer, head] = topHead(byHead.values.slice("pos", LENGTH - 1));
  const looks = brokenRun.cache
    .get(`blocks.${layer}.attn.hook_pattern`)
    .slice("head", head)
    .slice("query", LENGTH - 1)
    .slice("key", 1);
  console.log(`${name}: L${layer}H${head} at the last bracket; ${percent(mean(looks.data))} of its attention is on the bracket closed too early`);

  // That head alone, exchanged at the last bracket; and all heads of its layer.
  const z = `blocks.${layer}.attn.hook_z`;
  const swap = async (/** @type {number[][]} */ tokens, /** @type {import("tritlens").CachedRun} */ from) => {
    const value = from.cache.get(z);
    const places = [{ pos: LENGTH - 1, head }, { pos: LENGTH - 1 }];
    const { plain, values } = await measureVariants(
      model,
      tokens,
      places.map((at) => ({ edits: [[z, { kind: "patch", value, at }]] })),
      answerAccuracy(BROKEN),
    );
    return [plain, ...values];
  };
  results.push({ name, label: `L${layer}H${head}`, fine: await swap(fine, brokenRun), early: await swap(early, fineRun) });
}

picture("brackets-verdicts", {
  kind: "bars",
  title: "Lines called broken",
  caption:
    "What heads of the second layer decide at the last bracket, when their output is exchanged between lines with and without an early mistake.",
  x: { name: "line", labels: ["fine", "+ head", "+ layer", "broken", "- head", "- layer"] },
  series: results.map((r) => ({ name: r.name, values: [...r.fine, ...r.early] })),
  unit: "share called broken",
});
const told = results.map(
  (r) =>
    `${r.name}: ${r.label} put into fine lines, ${percent(r.fine[1])} are called broken; its layer held back in broken ones, ${percent(r.early[2])}`,
);
conclude(
  results.every((r) => r.fine[0] < 0.05 && r.fine[1] > 0.9 && r.early[0] > 0.95 && r.early[2] < 0.05),
  `a head of the second layer looks back at the early mistake and brings it to the verdict. ${told.join(". ")}.`,
);
