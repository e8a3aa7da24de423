// Name copying, after Wang et al. 2022 (indirect objects): "When A and B went, A gave to" -> B. How does the other name come to the end?
// node examples/12-name-copying.mjs [FOLDER]
import { Model } from "tritlens";
import { answerAccuracy, directLogitAttribution, getActPatchResidPre, logitDiff, measureVariants } from "tritlens/interp";
import { AGAIN, LENGTH, NAMES, nameData, namePrompts, WORDS } from "./lib/names.mjs";
import { conclude, learn, mean, percent, picture } from "./lib/study.mjs";

const data = nameData();
const { clean, turned, answers, foils } = namePrompts();
const END = LENGTH - 1;
/** What is taken from the sentence whose answer is the other name, and where. */
const SWAPS = /** @type {const} */ ([
  ["first layer, at the second mention", "blocks.0.attn.hook_z", AGAIN],
  ["first layer, at the end", "blocks.0.attn.hook_z", END],
  ["second layer's queries at the end", "blocks.1.attn.hook_q", END],
  ["second layer's keys at the second mention", "blocks.1.attn.hook_k", AGAIN],
  ["second layer's values at the second mention", "blocks.1.attn.hook_v", AGAIN],
  ["second layer, at the end", "blocks.1.attn.hook_z", END],
]);

const results = [];
for (const mode of /** @type {const} */ (["none", "ternary"])) {
  const name = mode === "none" ? "dense" : mode;
  const sizes = { nLayers: 2, dModel: 64, nHeads: 4, dHead: 16, nCtx: LENGTH, dVocab: WORDS.length, dVocabOut: NAMES.length };
  const model = Model.fromConfig({ ...sizes, attnOnly: true, positions: "shortformer", quantizer: mode }, { seed: 0 });
  await learn(model, data, { name, steps: 600, batchSize: 64, lr: 0.01, weightDecay: 0.05, schedule: "cosine" });

  // Where the answer stands, layer by layer, and which heads write it.
  const [cleanRun, turnedRun] = [model.runWithCache(clean), model.runWithCache(turned)];
  const posLabels = clean[0].map((word, i) => (i === AGAIN ? "again" : WORDS[word]));
  const where = (await getActPatchResidPre(model, turned, cleanRun.cache, logitDiff(answers, foils), { posLabels })).chart();
  picture(`names-residual-${name}`, { ...where, title: `Where the answer stands, layer by layer (${name})` });
  picture(`names-heads-${name}`, directLogitAttribution(model, clean, { answers, foils, by: "head" }));

  // Exchange one thing at a time: does the model then say the other name?
  const variants = SWAPS.map(([, site, pos]) => ({
    edits: [/** @type {const} */ ([site, { kind: "patch", value: turnedRun.cache.get(site), at: { pos } }])],
  }));
  const { plain, values } = await measureVariants(model, clean, variants, answerAccuracy(foils));
  console.log(`${name}: says the other name in ${percent(plain)} of the sentences; after exchanging`);
  for (const [i, [what]] of SWAPS.entries()) console.log(`  ${what.padEnd(44)} ${percent(values[i])}`);

  // Where the heads of the first layer look from the second mention: at the other name, or at the same one?
  const pattern = cleanRun.cache.get("blocks.0.attn.hook_pattern").slice("query", AGAIN);
  const onto = (/** @type {number[]} */ wanted) =>
    mean(clean.map((row, b) => Math.max(...pattern.slice("batch", b).slice("key", row.indexOf(wanted[b])).data)));
  results.push({ name, values: Array.from(values), other: onto(answers), same: onto(foils) });
}

picture("names-swaps", {
  kind: "bars",
  title: "Sentences in which the model says the other name",
  caption: "After one thing is exchanged with the sentence whose answer is the other name.",
  x: { name: "exchanged", labels: ["L0 at second", "L0 at end", "L1 queries", "L1 keys", "L1 values", "L1 at end"] },
  series: results,
  unit: "share",
});
const told = results.map(({ name, values: [first, , , , moved], other, same }) => {
  const looks = `looks at the other name (${percent(other)} of the strongest head's attention; ${percent(same)} at the same name)`;
  return `${name}: the first layer ${looks}; its output there turns ${percent(first)} of the answers, the values that the second layer reads there ${percent(moved)}`;
});
conclude(
  results.every(
    ({ values: [first, atEnd, queries, keys, moved, last] }) => Math.min(first, moved, last) > 0.9 && Math.max(atEnd, queries, keys) < 0.1,
  ),
  `the answer is fetched at the second mention and copied from there, whatever the second layer asks for. ${told.join(". ")}.`,
);
