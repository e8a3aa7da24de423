// Induction heads in a two-layer attention-only model, dense and ternary side by side: four ways to find them, and what happens without them.
// node examples/11-induction.mjs [FOLDER]
import { HEAD_NAMES, headsOf, inductionData, inductionPrompts, leftWithout, trainInduction } from "./lib/induction.mjs";
import { conclude, percent, picture } from "./lib/study.mjs";

const data = inductionData();
const prompts = inductionPrompts();
const modes = /** @type {const} */ (["fp32", "ternary"]);
const models = await Promise.all(modes.map((mode) => trainInduction(mode, 0, data)));

/** @param {readonly string[][]} lists */
const agree = (lists) => lists.every((names) => names.length > 0 && `${names}` === `${lists[0]}`);
const told = [];
const panels = [];
let holds = true;
for (const [i, model] of models.entries()) {
  const previous = await headsOf(model, prompts, "previous");
  const induction = await headsOf(model, prompts, "induction");
  for (const [role, { numbers, names }] of Object.entries({ previous, induction })) {
    console.log(`${modes[i]}, ${role} heads:`);
    for (const way of Object.keys(numbers))
      console.log(`  ${way.padEnd(12)} ${numbers[way].map((x) => x.toFixed(2).padStart(5)).join(" ")}   ${names[way].join(", ")}`);
    const series = Object.entries(numbers).map(([name, values]) => ({ name, values }));
    panels.push({
      kind: /** @type {const} */ ("bars"),
      title: `${modes[i]}: ${role}`,
      x: { name: "head", labels: HEAD_NAMES },
      series,
      unit: "share",
    });
  }

  // Detector, patching and attribution name the same heads; so does ablation for induction heads. Previous-token heads stand in for each other when one is missing.
  const { detector, patching, attribution } = previous.names;
  holds &&= agree([detector, patching, attribution]) && agree(Object.values(induction.names));
  const all = [...detector, ...induction.names.detector];
  const without = await leftWithout(model, prompts, all);
  const others = await leftWithout(
    model,
    prompts,
    HEAD_NAMES.filter((name) => !all.includes(name)),
  );
  holds &&= without < 0.1 && others > 0.9;
  const heads = `previous-token heads ${detector.join(", ")}, induction heads ${induction.names.detector.join(", ")}`;
  told.push(`${modes[i]}: ${heads}; without them ${percent(without)} of the answer is left, without all other heads ${percent(others)}`);

  const pattern = (/** @type {string} */ name) =>
    model.runWithCache(prompts.clean.slice(0, 1)).cache.get(`blocks.${name[1]}.attn.hook_pattern`).slice("batch", 0).slice("head", Number(name[3]));
  picture(`induction-attention-${modes[i]}`, {
    kind: "attention",
    title: `A previous-token head and an induction head (${modes[i]})`,
    caption: "Rows are queries: below, every word that came before looks at the word that followed it then.",
    tokens: prompts.clean[0].map((word) => String.fromCharCode(97 + word)),
    heads: [detector[0], induction.names.detector[0]].map((name) => ({ name, weights: pattern(name).data })),
  });
}
picture("induction-heads", { kind: "panels", title: "The same heads, found four ways", panels, columns: 2 });
conclude(holds, `detector, ablation, patching and attribution agree on the heads. ${told.join(". ")}.`);
