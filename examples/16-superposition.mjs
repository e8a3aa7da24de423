// Superposition, after Elhage et al. 2022: how two dimensions hold five features, and what it costs to take one of them out. Dense and ternary.
// node examples/16-superposition.mjs [FOLDER]
import { FEATURES, reconstruct, trainFeatures } from "./lib/features.mjs";
import { conclude, mean, percent, picture } from "./lib/study.mjs";

const LIST = Array.from({ length: FEATURES }, (_, i) => i);
/** Each feature alone. */
const alone = LIST.map((i) => LIST.map((j) => (i === j ? 1 : 0)));

const cases = /** @type {const} */ ([
  ["dense, always active", "none", 0],
  ["dense, rarely active", "none", 0.9],
  ["ternary, rarely active", "ternary", 0.9],
]);
/** @type {import("tritlens/plots").ScatterChart[]} */
const directions = [];
/** @type {import("tritlens/plots").HeatmapChart[]} */
const damages = [];
const results = cases.map(([title, quantizer, sparsity]) => {
  const model = trainFeatures(quantizer, sparsity, 1);
  const columns = LIST.map((i) => model.effectiveParam("W_in").slice(1, i).data);
  const rows = LIST.map((i) => model.effectiveParam("W_out").slice(0, i).data);
  const [nothing] = reconstruct(model, [LIST.map(() => 0)]);
  /** What each feature alone adds to its own output. @param {ArrayLike<number>} [without] */
  const own = (without) => reconstruct(model, alone, without).map((out, i) => out[i] - nothing[i]);
  const full = own();
  const held = LIST.filter((i) => full[i] > 0.3);

  // Take the direction of one feature out of the hidden layer: what is left of every other one?
  const left = held.map((i) => own(columns[i]));
  const share = (/** @type {number} */ i, /** @type {number} */ j) => left[held.indexOf(i)][j] / full[j];
  const others = held.flatMap((i) => held.filter((j) => j !== i).map((j) => share(i, j)));
  console.log(
    `${title}: holds features ${held.join(", ")}; without the direction of one, ${percent(mean(others))} of the others are left (least ${percent(Math.min(...others))})`,
  );
  directions.push({
    kind: "scatter",
    title,
    // In and out share the length of a feature as they like: the picture gives both the same.
    points: [...held, ...LIST.filter((i) => !held.includes(i))].map((i) => {
      const even = Math.sqrt(Math.hypot(...rows[i]) / (Math.hypot(...columns[i]) || 1));
      return { x: even * columns[i][0], y: even * columns[i][1], label: `${i}`, group: held.includes(i) ? "held" : "dropped" };
    }),
    xName: "hidden 0",
    yName: "hidden 1",
  });
  const labels = held.map((i) => `${i}`);
  const values = held.flatMap((i) => held.map((j) => share(i, j)));
  damages.push({
    kind: "heatmap",
    title,
    values,
    x: { name: "feature", labels },
    y: { name: "taken out", labels },
    scale: "sequential",
    range: [0, 1],
    unit: "share left",
  });
  const opposite = quantizer === "ternary" && others.every((x) => x < 0.05 || x > 0.95);
  model.dispose();
  return { title, held: held.length, least: Math.min(...others), left: mean(others), opposite };
});

picture("superposition-directions", { kind: "panels", title: "Directions of five features in two dimensions", panels: directions, columns: 3 });
picture("superposition-damage", {
  kind: "panels",
  title: "What is left of each feature when the direction of another is taken out",
  panels: damages,
  columns: 3,
});
const [always, rarely, ternary] = results;
conclude(
  always.held === 2 && always.least > 0.95 && rarely.held > 2 && rarely.left < 0.9 && ternary.held > 2 && ternary.opposite,
  `features that are always active get a dimension each: ${always.held} are held, and taking one out leaves ${percent(always.left)} of the other. Rare ones share: ${rarely.held} are held, ` +
    `and taking one out leaves ${percent(rarely.left)} of the others. Three values a weight leave room for opposite pairs: ${ternary.held} are held, and taking one out takes its opposite with it ` +
    `and leaves the rest whole.`,
);
