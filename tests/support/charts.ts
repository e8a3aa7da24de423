/** One chart of each kind, with made-up numbers: for tests. */
import type { Chart } from "tritlens/plots";

/** Tokens that need care in XML, in a terminal and in a label. */
export const TOKENS: readonly string[] = [
  "<|endoftext|>",
  "When",
  " Mary",
  " and",
  "\n",
  "<script>",
  " \u001b[2J",
  "日本語",
  ' "quoted" & more',
  " to",
];

const wave = (n: number, of = Math.sin): number[] => Array.from({ length: n }, (_, i) => of(i * 1.3));

/** By kind; some kinds in several sizes. */
export const SAMPLES: Readonly<Record<string, Chart>> = {
  heatmap: {
    kind: "heatmap",
    title: "Patching <resid>",
    caption: "Where it is decided.",
    values: wave(4 * 10).map((v, i) => (i === 7 ? Number.NaN : v)),
    x: { name: "position", labels: TOKENS },
    y: { name: "layer", labels: ["0", "1", "2", "3"] },
    unit: "logit difference",
  },
  lens: {
    kind: "heatmap",
    title: "Lens",
    scale: "sequential",
    range: [0, 1],
    values: wave(30).map(Math.abs),
    text: Array.from({ length: 30 }, (_, i) => TOKENS[i % 10] as string),
    x: { name: "position", labels: TOKENS },
    y: { name: "layer", labels: ["embed", "0_post", "1_post"] },
    unit: "probability",
  },
  large: {
    kind: "heatmap",
    title: "Large",
    values: wave(100 * 100),
    x: { name: "column", labels: Array.from({ length: 100 }, (_, i) => `blocks.${i}.attn.hook_result`) },
    y: { name: "row", labels: Array.from({ length: 100 }, (_, i) => `blocks.${i}.attn.hook_result`) },
  },
  standing: {
    kind: "bars",
    title: "Heads",
    x: { name: "head", labels: ["L0H0", "L0H1", "L1H0", "L1H1"] },
    series: [
      { name: "dense", values: [1, -2, 3, 0.5] },
      { name: "ternary", values: [1, Number.NaN, 2, -0.5] },
    ],
    unit: "score",
  },
  lying: {
    kind: "bars",
    title: "Components",
    x: { name: "component", labels: Array.from({ length: 12 }, (_, i) => `blocks.${i}.attn.hook_result_of_a_long_name`) },
    series: [{ name: "attribution", values: wave(12) }],
  },
  many: {
    kind: "bars",
    title: "All heads",
    x: { name: "head", labels: Array.from({ length: 144 }, (_, i) => `L${Math.floor(i / 12)}H${i % 12}`) },
    series: [{ name: "attribution", values: wave(144) }],
  },
  lines: {
    kind: "lines",
    title: "Rank",
    x: { name: "layer", values: Array.from({ length: 12 }, (_, i) => i) },
    series: TOKENS.map((name, t) => ({ name, values: wave(12).map((v, i) => 10 ** (3 + v - (i * t) / 10)) })),
    unit: "rank",
    log: true,
  },
  curve: {
    kind: "lines",
    title: "Faithfulness",
    x: { name: "edges", values: [1, 10, 100, 1000], log: true },
    series: [{ name: "circuit", values: [-0.1, 0.4, Number.NaN, 1] }],
  },
  scatter: {
    kind: "scatter",
    title: "Estimate and truth",
    points: wave(40).map((x, i) => ({ x, y: x + Math.cos(i) / 5, label: `a${i % 4}.h${i % 3}->m${i % 5}`, group: ["head", "mlp"][i % 2] as string })),
    xName: "exact",
    yName: "estimate",
    diagonal: true,
  },
  attention: {
    kind: "attention",
    title: "Attention",
    tokens: TOKENS,
    heads: Array.from({ length: 6 }, (_, h) => ({
      name: `L0H${h}`,
      weights: Array.from({ length: 100 }, (_, i) => (i % 10 > Math.floor(i / 10) ? 0 : 1 / (Math.floor(i / 10) + 1))),
    })),
  },
  graph: {
    kind: "graph",
    title: "Circuit",
    nodes: [
      { id: "input", label: "input", layer: 0, group: "input" },
      ...Array.from({ length: 4 }, (_, h) => ({ id: `a0.h${h}`, label: `a0.h${h}`, layer: 1, group: "head", score: h - 1.5 })),
      { id: "m0", label: "m0", layer: 2, group: "mlp" },
      { id: "logits", label: "logits", layer: 9 },
    ],
    edges: [
      { from: "input", to: "a0.h1", score: 1 },
      { from: "input", to: "m0", score: -0.4 },
      { from: "a0.h1", to: "m0", score: 0.3 },
      { from: "a0.h2", to: "logits", score: 0.2 },
      { from: "m0", to: "logits", score: -2 },
      { from: "input", to: "logits", score: Number.NaN },
    ],
  },
};

/** All of them on one page. */
export const PANELS: Chart = { kind: "panels", title: "Everything", panels: Object.values(SAMPLES), columns: 2 };
