// Greater than, after Hanna et al. 2023: "from 17 32 to 17" is followed by a later year. Who compares, the heads or the MLP?
// node examples/15-greater-than.mjs [FOLDER]
import { Model } from "tritlens";
import { measureVariants } from "tritlens/interp";
import { conclude, learn, percent, picture } from "./lib/study.mjs";
import { CORRUPT, END, LENGTH, PROMPTS, probDiff, VOCABULARY, YEARS, yearData, yearMap } from "./lib/years.mjs";

const data = yearData();
const [Z, MLP] = ["blocks.0.attn.hook_z", "blocks.0.hook_mlp_out"];

const results = [];
for (const quantizer of /** @type {const} */ (["none", "ternary"]))
  for (const dHead of [2, 16]) {
    const name = `${quantizer === "none" ? "dense" : quantizer}, heads of width ${dHead}`;
    const sizes = { nLayers: 1, dModel: 64, nHeads: 4, dHead, dMlp: 128, nCtx: LENGTH, dVocab: VOCABULARY, dVocabOut: YEARS };
    const model = Model.fromConfig({ ...sizes, actFn: "gelu", quantizer }, { seed: 0 });
    await learn(model, data, { name, steps: 800, batchSize: 128, lr: 0.005, weightDecay: 0.05, schedule: "cosine" });

    // Into the prompts about 01 goes, at the last word: the heads' output, the same with the MLP held as it was, and the MLP's output alone.
    const { cache } = model.runWithCache(PROMPTS);
    /** @param {string} site @returns {[string, import("tritlens").Edit]} */
    const put = (site) => [site, { kind: "patch", value: cache.get(site), at: { pos: END } }];
    const variants = [{ edits: [put(Z)] }, { edits: [put(Z), /** @type {const} */ ([MLP, { kind: "freeze" }])] }, { edits: [put(MLP)] }];
    const { plain, values } = await measureVariants(model, CORRUPT, variants, probDiff);
    const clean = (await measureVariants(model, PROMPTS, [], probDiff)).plain;
    const [heads, direct, mlp] = Array.from(values, (x) => (x - plain) / (clean - plain));
    console.log(
      `  probability difference ${clean.toFixed(2)}, about 01 ${plain.toFixed(2)}; restored by the heads ${percent(heads)}, past the MLP ${percent(direct)}, by the MLP alone ${percent(mlp)}`,
    );
    results.push({ name, dHead, clean, heads, direct, mlp });

    if (results.length > 1) continue;
    const maps = [];
    for await (const { index, logits } of model.sweep(CORRUPT, variants.slice(0, 2), { positions: "last" }))
      maps.push(yearMap(["Prompts about the year 01", "With the heads' output for the year", "The same, the MLP held"][index + 1], logits));
    const caption = "Probability of the years in the columns where the prompt says the year of the row. Right answers lie right of the diagonal.";
    picture("years-maps", { kind: "panels", title: "Three runs of the dense model with narrow heads", caption, panels: maps, columns: 3 });
  }

picture("years-paths", {
  kind: "bars",
  title: "What restores the comparison",
  caption: "Share of the probability difference that comes back when a part of the prompts about 01 gets its value for the right year.",
  x: { name: "model", labels: results.map(({ name }) => name.replace("heads of width", "width")) },
  series: [
    { name: "heads", values: results.map((r) => r.heads) },
    { name: "heads, MLP held", values: results.map((r) => r.direct) },
    { name: "MLP alone", values: results.map((r) => r.mlp) },
  ],
  unit: "share restored",
});
const told = results.map(({ name, direct, mlp }) => `${name}: past the MLP ${percent(direct)}, the MLP alone ${percent(mlp)}`);
conclude(
  results.every((r) => r.clean > 0.85 && r.heads > 0.95 && (r.dHead === 2 ? r.mlp > r.direct : r.direct > r.mlp)),
  `heads bring the year to the end (they restore everything). Narrow heads leave the comparison to the MLP, wide ones write it themselves. ${told.join(". ")}.`,
);
