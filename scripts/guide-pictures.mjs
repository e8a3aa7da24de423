/**
 * Draws the pictures of docs/guides/plots.md: a small model that learns to repeat lists of words, looked at in every way that has a chart of its own. Deterministic; takes
 * about half a minute. Needs a built package.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { asProgram, root, say } from "./lib/run.mjs";

const WORDS = "cat dog sun sea oak owl ice fog jam key map net pea rye sky toe urn vat wax yak zoo hat bee elm".split(" ");
const [CONTEXT, ROWS] = [24, 12_000];

/** Random words that come again after 5 to 11 places; asked for is what comes again. */
function lists(core, stream, rows) {
  const uniform = new Float32Array(rows * CONTEXT);
  core.random(1, stream, 0, uniform);
  const tokens = new Int32Array(rows * CONTEXT);
  const targets = new Int32Array(rows * CONTEXT).fill(-1);
  for (let row = 0; row < rows; row++) {
    const dice = uniform.subarray(row * CONTEXT, (row + 1) * CONTEXT);
    const period = 5 + Math.min(6, Math.floor(dice[CONTEXT - 1] * 7));
    const word = (i) => Math.min(WORDS.length - 1, Math.floor(dice[i % period] * WORDS.length));
    for (let i = 0; i < CONTEXT; i++) {
      tokens[row * CONTEXT + i] = word(i);
      if (i >= period) targets[row * CONTEXT + i] = word(i + 1);
    }
  }
  return { tokens: { data: tokens, shape: [rows, CONTEXT] }, targets };
}

async function trained({ loadCore, Model, train }) {
  const core = await loadCore();
  const config = { nLayers: 2, dModel: 64, dHead: 16, nHeads: 4, nCtx: CONTEXT, dVocab: WORDS.length, attnOnly: true, positions: "shortformer" };
  const model = Model.fromConfig(config, { seed: 1 });
  const data = { train: lists(core, 0, ROWS), test: lists(core, 1, 200) };
  for await (const e of train(model, data, { steps: 1000, batchSize: 32, lr: 0.01, weightDecay: 0.03, evalEvery: 250 }))
    if (e.testAccuracy !== undefined) say(`step ${e.step}: ${(100 * e.testAccuracy).toFixed(1)} % of the words right`);
  model.tokenizer = { vocabSize: WORDS.length, tokenText: (id) => WORDS[id] };
  return model;
}

export async function drawGuide(folder = join(root, "docs", "pictures")) {
  const sdk = await import("tritlens");
  const lib = await import("tritlens/interp");
  const { drawSvg } = await import("tritlens/plots");
  const model = await trained(sdk);
  const write = (name, chart, options) => writeFileSync(join(folder, `plot-${name}.svg`), drawSvg(chart, options));

  // The same list, once with another word before the place that is asked for.
  const list = [3, 7, 0, 12, 5, 19, 8, 1];
  const clean = [...list, ...list.slice(0, 5)];
  const corrupt = clean.map((word, i) => (i === 5 ? 20 : word));
  const [answer, foil] = [19, 20];
  const tokens = clean.map((word) => WORDS[word]);
  const metric = lib.logitDiff(answer, foil);
  const { cache } = model.runWithCache([clean]);

  const heads = [0, 1].flatMap((layer) => [0, 1, 2, 3].map((head) => ({ layer, head })));
  const pattern = ({ layer, head }) => cache.get(`blocks.${layer}.attn.hook_pattern`).slice("batch", 0).slice("head", head).data;
  const maps = heads.map((h) => ({ name: `L${h.layer}H${h.head}`, weights: pattern(h) }));
  write("attention", {
    kind: "attention",
    title: "Attention in both blocks",
    caption: "A row is a word that looks, a column a word that is looked at.",
    tokens,
    heads: maps,
  });
  const lens = await lib.logitLens(model, [clean], { track: [answer, foil] });
  write("lens", lens.chart());
  write("lens-dark", lens.chart(), { theme: "dark" });
  write("trajectory", lens.trajectory());
  const patch = await lib.getActPatchResidPre(model, [corrupt], cache, metric);
  write("patch", patch.chart());
  write("bars", lib.directLogitAttribution(model, [clean], { answers: answer, foils: foil, by: "head" }).chart());
  const edges = lib.eap(model, [clean], [corrupt], metric);
  write("circuit", lib.topEdges(edges, 14).chart());
  const exact = await lib.exactEdgeScores(model, [clean], [corrupt], metric);
  write("scatter", edges.compare(exact).chart());
  write("spectra", lib.ovCircuit(model, 1).chart());
  for (const result of [lens, patch]) say(`${result}`);
  return { lens, patch, edges, model };
}

await asProgram(import.meta, async () => void (await drawGuide()));
