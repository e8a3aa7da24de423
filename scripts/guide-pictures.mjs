/** Draws the pictures of docs/guides/plots.md: the little model of examples/models, looked at in every way that has a kind of chart. Needs a built package. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadCore, Model } from "tritlens";
import { directLogitAttribution, eap, exactEdgeScores, getActPatchResidPre, logitDiff, logitLens, ovCircuit, topEdges } from "tritlens/interp";
import { drawSvg } from "tritlens/plots";
import { asProgram, root, say } from "./lib/run.mjs";

export async function drawGuide(folder = join(root, "docs", "pictures")) {
  const model = await Model.fromPretrained(join(root, "examples", "models", "induction.gguf"), { core: await loadCore() });
  const write = (name, chart, options) => writeFileSync(join(folder, `plot-${name}.svg`), `${drawSvg(chart, options)}\n`);
  const ids = (text) => model.tokenizer.encode(text);
  const words = (tokens) => tokens.map((id) => model.tokenizer.tokenText(id));

  // The list goes on with " owl"; in the other text it was another word the first time.
  const clean = ids("red fox blue cat green owl red fox blue cat green");
  const corrupt = ids("red fox blue cat green moon red fox blue cat green");
  const [answer, foil] = [clean[6], corrupt[6]];
  const metric = logitDiff(answer, foil);
  const { cache } = model.runWithCache([clean]);

  const heads = [0, 1].flatMap((layer) => Array.from({ length: model.config.nHeads }, (_, head) => ({ layer, head })));
  const weights = ({ layer, head }) => cache.get(`blocks.${layer}.attn.hook_pattern`).slice("batch", 0).slice("head", head).data;
  write("attention", {
    kind: "attention",
    title: "Where each head looks",
    caption: "A row is a word that looks, a column a word that is looked at.",
    tokens: words(clean),
    heads: heads.map((h) => ({ name: `L${h.layer}H${h.head}`, weights: weights(h) })),
  });
  const lens = await logitLens(model, [clean], { inclMid: true, track: [answer, foil] });
  write("lens", lens.chart());
  write("lens-dark", lens.chart(), { theme: "dark" });
  write("trajectory", lens.trajectory());
  const patch = await getActPatchResidPre(model, [corrupt], cache, metric);
  write("patch", patch.chart());
  write("bars", directLogitAttribution(model, [clean], { answers: answer, foils: foil, by: "head" }).chart());
  const edges = eap(model, [clean], [corrupt], metric);
  const circuit = topEdges(edges, 16);
  write("circuit", circuit.chart());
  write("scatter", edges.compare(await exactEdgeScores(model, [clean], [corrupt], metric)).chart());
  write("spectra", ovCircuit(model).chart());
  for (const result of [lens, patch, circuit]) say(`${result}`);
}

await asProgram(import.meta, async () => drawGuide());
