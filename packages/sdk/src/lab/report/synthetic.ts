/**
 * A made-up {@link ReportModel} in closed form (clock logits, perfect rings, logistic grokking), for looking at the page and testing it
 * without training anything. Never shipped as a result: its title says what it is.
 */
import type { Circle, CodeShare, FinalPictures, NeuronPicture, PhaseBand, ReportModel, ReportRun, Series } from "./model.ts";
import { codeRaster, raster } from "./raster.ts";

const P = 113;
const HALF = (P - 1) / 2;
const TAU = 2 * Math.PI;
const MATRICES = ["W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"];

interface Shape {
  id: string;
  title: string;
  short: string;
  detail: string;
  keys: number[];
  grok: number;
  floor: number;
  noise: number;
  bits: "none" | "binary" | "ternary";
}

const SHAPES: Shape[] = [
  {
    id: "fp32",
    title: "Full precision",
    short: "fp32",
    detail: "Li's architecture, quantiser off",
    keys: [14, 35, 41, 52],
    grok: 3100,
    floor: 2e-6,
    noise: 0.04,
    bits: "none",
  },
  {
    id: "li_binary",
    title: "Binary (Li)",
    short: "binary",
    detail: "sign(W − mean W), no scale",
    keys: [7, 19, 26, 33, 48],
    grok: 6200,
    floor: 2e-2,
    noise: 0.35,
    bits: "binary",
  },
  {
    id: "li_ternary",
    title: "Ternary (Li)",
    short: "ternary",
    detail: "centred, scale kept",
    keys: [1, 17, 28, 41, 53],
    grok: 3700,
    floor: 1e-2,
    noise: 0.12,
    bits: "ternary",
  },
  {
    id: "binary",
    title: "Binary (BitNet)",
    short: "binary β",
    detail: "β · sign(W − mean W)",
    keys: [5, 11, 23, 40],
    grok: 5100,
    floor: 8e-3,
    noise: 0.3,
    bits: "binary",
  },
  {
    id: "ternary",
    title: "Ternary (b1.58)",
    short: "b1.58",
    detail: "absmean, not centred",
    keys: [3, 21, 38, 50],
    grok: 3900,
    floor: 6e-3,
    noise: 0.14,
    bits: "ternary",
  },
  {
    id: "nanda_fp32",
    title: "Full precision (Nanda)",
    short: "Nanda",
    detail: "Nanda's architecture",
    keys: [14, 35, 41, 42, 52],
    grok: 9300,
    floor: 4e-7,
    noise: 0.03,
    bits: "none",
  },
];

/** Deterministic noise in [-0.5, 0.5) from an integer. */
function jitter(n: number): number {
  const x = Math.sin(n * 12.9898 + 4.1414) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function curves(s: Shape, seed: number, last: number): Series {
  const epoch: number[] = [];
  const columns: Record<string, number[]> = { trainLoss: [], testLoss: [], trainAccuracy: [], testAccuracy: [] };
  const grok = s.grok * (1 + 0.12 * jitter(seed + s.grok));
  for (let e = 0; e <= last; e += 20) {
    const late = sigmoid((e - grok) / (grok * 0.035));
    const wobble = Math.exp(0.5 * jitter(e * 3 + seed));
    const memory = Math.exp(-e / (grok * 0.09));
    const train = 4.7 * memory + s.floor * wobble;
    const rise = 4.9 + 3.4 * (1 - Math.exp(-e / 500)) - 2 * sigmoid((e - grok * 0.7) / (grok * 0.12));
    const test = Math.exp(Math.log(rise) * (1 - late) + Math.log(train * 1.3) * late);
    epoch.push(e);
    columns.trainLoss?.push(train);
    columns.testLoss?.push(test);
    columns.trainAccuracy?.push(1 - 0.99 * Math.exp(-e / (grok * 0.05)));
    columns.testAccuracy?.push(Math.min(1, 0.01 + 0.29 * (1 - Math.exp(-e / 900)) * (1 - late) + 0.99 * late));
  }
  return { epoch, columns };
}

function progress(s: Shape, last: number): Series {
  const epoch: number[] = [];
  const names = ["restricted", "excluded", "trainLoss", "testLoss", "embeddingGini", "mapGini", "weightNorm", "logitFve"];
  const columns: Record<string, number[]> = Object.fromEntries(names.map((n) => [n, []]));
  for (let i = 0; i <= 40; i++) {
    const e = Math.round((last * i) / 40);
    const form = sigmoid((e - s.grok * 0.6) / (s.grok * 0.15));
    const late = sigmoid((e - s.grok) / (s.grok * 0.035));
    epoch.push(e);
    columns.restricted?.push(Math.exp(Math.log(5) * (1 - form) + Math.log(s.floor * 2) * form));
    columns.excluded?.push(4.7 * Math.exp(-e / (s.grok * 0.1)) + 0.02 + 4.4 * form);
    columns.trainLoss?.push(4.7 * Math.exp(-e / (s.grok * 0.09)) + s.floor);
    columns.testLoss?.push(Math.exp(Math.log(7) * (1 - late) + Math.log(s.floor * 1.3) * late));
    columns.embeddingGini?.push(0.22 + 0.1 * form + (0.45 - s.noise) * late);
    columns.mapGini?.push(0.25 + 0.15 * form + (0.42 - s.noise) * late);
    columns.weightNorm?.push(3400 * Math.exp(-e / 2500) + 900 - 200 * late);
    columns.logitFve?.push(Math.min(0.99, 0.02 + 0.3 * form + (0.66 - s.noise) * late));
  }
  return { epoch, columns };
}

function flips(s: Shape, last: number): Series | null {
  if (s.bits === "none") return null;
  const epoch = Array.from({ length: 80 }, (_, i) => Math.round((last * i) / 79));
  const columns = Object.fromEntries(
    MATRICES.map((m, j) => [m, epoch.map((e) => 2e-3 * Math.exp(-e / 1500) * (1 + 0.3 * j) + 6e-5 * (1 + j / 3) * Math.exp(jitter(e + j)))]),
  );
  return { epoch, columns };
}

function phases(s: Shape, last: number): PhaseBand[] {
  return [
    { name: "memorises", from: 0, to: s.grok * 0.25 },
    { name: "forms the circuit", from: s.grok * 0.25, to: s.grok * 0.92 },
    { name: "cleans up", from: s.grok * 0.92, to: s.grok * 1.1 },
    { name: "stable", from: s.grok * 1.1, to: last },
  ];
}

function spectrum(s: Shape, offset: number): number[] {
  const raw = Array.from({ length: HALF }, (_, i) =>
    s.keys.includes(i + 1) ? 1 + 0.3 * jitter(i + offset) : (s.noise / 8) * (0.6 + jitter(i * 7 + offset)),
  );
  const total = raw.reduce((a, b) => a + b, 0);
  return raw.map((x) => x / total);
}

function circle(s: Shape, k: number): Circle {
  const at = (f: (x: number) => number, o: number): number[] =>
    Array.from({ length: P }, (_, t) => f((TAU * k * t) / P) + s.noise * 0.6 * jitter(t * 5 + k + o));
  return { k, x: at(Math.cos, 1), y: at(Math.sin, 99), plane: "PC 1, PC 2" };
}

function neuron(s: Shape, k: number, index: number): NeuronPicture {
  const values = Float64Array.from({ length: P * P }, (_, i) => {
    const a = Math.floor(i / P);
    const b = i % P;
    const w = (TAU * k) / P;
    return Math.max(0, Math.cos(w * a + index) + Math.cos(w * b + index) + 0.6 * Math.cos(w * (a + b) + 2 * index) + s.noise * 2 * jitter(i + index));
  });
  return { index, k, fve: 0.97 - s.noise * 0.5, raster: raster(values, P, P) };
}

function attention(s: Shape, head: number): { head: number; raster: ReturnType<typeof raster> } {
  const k = s.keys[head % s.keys.length] ?? 1;
  const w = (TAU * k) / P;
  const values = Float64Array.from(
    { length: P * P },
    (_, i) => 0.5 + 0.24 * (Math.cos(w * Math.floor(i / P)) - Math.cos(w * (i % P))) + s.noise * 0.3 * jitter(i + head),
  );
  return { head, raster: raster(values, P, P, 0, 1) };
}

function logitSpectrum(s: Shape): ReturnType<typeof raster> {
  const values = new Float64Array(P * P).map((_, i) => -2 + s.noise * 2 + 0.6 * jitter(i));
  for (const k of s.keys) for (const f of [2 * k - 1, 2 * k]) for (const g of [2 * k - 1, 2 * k]) values[f * P + g] = 2.4 + 0.4 * jitter(f + g);
  return raster(values, P, P);
}

function codes(s: Shape): CodeShare[] {
  if (s.bits === "none") return [];
  return MATRICES.map((matrix, i) => {
    const zero = s.bits === "ternary" ? 0.05 + 0.06 * i : 0;
    return { matrix, zero, minus: (1 - zero) / 2 + 0.01 * i, plus: (1 - zero) / 2 - 0.01 * i };
  });
}

function final(s: Shape): FinalPictures {
  const map = spectrum(s, 300);
  return {
    keys: s.keys,
    embeddingShare: spectrum(s, 100),
    logitShare: spectrum(s, 200).map((x) => x * (0.98 - s.noise)),
    mapShare: map,
    logitFve: 0.97 - s.noise,
    circles: s.keys.map((k) => circle(s, k)),
    attention: [0, 1, 2, 3].map((h) => attention(s, h)),
    neurons: Array.from({ length: 6 }, (_, i) => neuron(s, s.keys[i % s.keys.length] ?? 1, 37 * i + 5)),
    logitSpectrum: logitSpectrum(s),
    fveHistogram: Array.from({ length: 20 }, (_, i) =>
      Math.round(i < 17 ? 5 + 40 * s.noise * Math.abs(jitter(i)) : 110 - 60 * s.noise + 20 * jitter(i)),
    ),
    clusters: s.keys.map((k) => ({ k, neurons: Math.round(80 + 60 * jitter(k)) })),
    codes: codes(s),
    codePictures:
      s.bits === "none"
        ? []
        : [
            {
              matrix: "W_in",
              x: "neuron →",
              y: "channel ↓",
              raster: codeRaster(
                Int8Array.from({ length: 512 * 128 }, (_, i) => Math.sign(Math.round(2.4 * jitter(i)))),
                512,
                128,
              ),
            },
          ],
    ablations: [
      { name: "nothing removed", loss: s.floor * 1.3, detail: false },
      { name: "attention zeroed", loss: 9.1 + s.noise, detail: false },
      { name: "attention skip zeroed", loss: 6.4 - s.noise, detail: false },
      { name: "MLP zeroed", loss: 5.2 + s.noise, detail: false },
      { name: "MLP skip zeroed", loss: s.floor * 1.8, detail: false },
      { name: "only cos, sin(wₖ(a+b)) of neurons kept", loss: s.floor * 0.6, detail: false },
      { name: "key directions of neurons removed", loss: 5.1, detail: false },
      ...s.keys.map((k) => ({ name: `key frequency ${k} removed`, loss: s.floor * (40 + 30 * jitter(k)), detail: true })),
    ],
    irrelevance: 0.28 + s.noise * 1.2,
    fits: s.keys.map((k) => ({ k, clock: 0.75 - s.noise / 2 + 0.1 * jitter(k), pizza: 0.96 - s.noise / 2 + 0.05 * jitter(k) })),
    offset: { model: offsets(s, 0.4 * s.noise), fit: offsets(s, 0) },
    distance: raster(
      Float64Array.from(
        { length: P * P },
        (_, i) => 20 + 6 * Math.abs(Math.cos((Math.PI * (s.keys[0] ?? 1) * (i % P)) / P)) + s.noise * 8 * jitter(i),
      ),
      P,
      P,
    ),
    singular: {
      embedding: Array.from({ length: 40 }, (_, i) => (i < 2 * s.keys.length ? 2.4 - 0.1 * i : 0.5 * s.noise * Math.exp(-i / 30))),
      random: Array.from({ length: 40 }, (_, i) => 1.1 - 0.012 * i),
    },
    phaseSum: Array.from({ length: 24 }, (_, i) => Math.round(70 * Math.exp(-(((i - 11.5) / (1.4 + 5 * s.noise)) ** 2)) + 3 * s.noise)),
  };
}

function offsets(s: Shape, noise: number): number[] {
  return Array.from({ length: P }, (_, d) => s.keys.reduce((sum, k) => sum + 2.3 * Math.cos((TAU * k * d) / P), 0) + 4 * noise * jitter(d));
}

function run(s: Shape, seed: number): ReportRun {
  const last = s.grok + 900;
  return {
    mode: s.id,
    seed,
    status: "done",
    error: null,
    epoch: last,
    seconds: last * 0.04,
    grokEpoch: Math.round(s.grok * (1 + 0.12 * jitter(seed + s.grok))),
    curves: curves(s, seed, last),
    phases: phases(s, last),
    progress: progress(s, last),
    flips: flips(s, last),
    final: final(s),
    plane: {
      symmetricity: 0.995 - s.noise * 0.6 + 0.03 * jitter(seed),
      irrelevance: 0.28 + s.noise * 1.2 + 0.05 * jitter(seed + 9),
      untrainedSymmetricity: 0.999,
      untrainedIrrelevance: 0.98,
    },
  };
}

/** A made-up page over the first `modes` modes, `seeds` seeds each. */
export function syntheticModel(modes: number = SHAPES.length, seeds: number = 1): ReportModel {
  const shapes = SHAPES.slice(0, modes);
  const runs = shapes.flatMap((s) => Array.from({ length: seeds }, (_, i) => run(s, i)));
  return {
    schema: "tritlens.report/1",
    title: "Do one-bit transformers add differently?",
    lede: "A made-up example: closed-form curves, not results.",
    created: "2026-01-01T00:00:00Z",
    state: "complete",
    facts: [
      ["Task", "a + b mod 113"],
      ["Train pairs", "3,830 of 12,769 (30 %)"],
      ["Command", "tritlens reproduce --full --seeds 3"],
      ["Machine", "2 cores, native avx2"],
      ["Time", "9 min 12 s"],
      ["Version", "tritlens 0.1.0"],
    ],
    answer: {
      headline: "Binary and ternary transformers learn the same algorithm as full precision, with more noise.",
      paragraphs: [
        "Every mode reached 99 % test accuracy. In each, a handful of frequencies carries the answer: the logits are close to a sum of cosines cos(wₖ(a+b−c)), neurons fall into clusters of one frequency, and removing the key directions destroys the loss on pairs the model was trained on.",
        "Which frequencies are picked differs from mode to mode and seed to seed, as it does between two full-precision runs, so the comparison is made on the family of the algorithm, not on the frequencies.",
      ],
      findings: [
        { tone: "good", text: "Full precision groks at epoch 3,100 and explains 93 % of its logits with 4 frequencies." },
        { tone: "mixed", text: "Binary (Li) groks at epoch 6,200; the same family, but 38 % of the logits lie outside the key frequencies." },
        { tone: "good", text: "Ternary (Li) groks at epoch 3,700 with 5 frequencies and 85 % of its logits explained." },
      ],
    },
    task: { p: P, trainPairs: 3830, testPairs: 8939, chanceLoss: Math.log(P) },
    thresholds: {
      grok: 0.99,
      cluster: 0.85,
      key: 0.02,
      pizzaIrrelevance: 0.4,
      clockIrrelevance: 0.6,
      pizzaSymmetricity: 0.95,
      clockSymmetricity: 0.9,
    },
    modes: shapes.map(({ id, title, short, detail }) => ({ id, title, short, detail })),
    table: {
      columns: [
        { label: "Test accuracy", help: "share of unseen pairs answered rightly at the last epoch" },
        { label: "Grok epoch", help: "first epoch with test accuracy of at least 99 %" },
        { label: "Key frequencies", help: "k with at least 2 % of the centred logits" },
        { label: "Logits explained", help: "share of the centred logits along the key cosines" },
        { label: "Restricted loss", help: "all pairs, key directions only" },
        { label: "Excluded loss", help: "train pairs, key directions removed" },
        { label: "Neurons in clusters", help: "best FVE of at least 0.85" },
        { label: "Clock or pizza", help: "by distance irrelevance and gradient symmetricity" },
      ],
      rows: shapes.map((s) => ({
        mode: s.id,
        cells: [
          { text: "100.0 %", tone: "good" as const },
          { text: s.grok.toLocaleString("en"), note: "± 240" },
          { text: "", chips: s.keys.map(String) },
          { text: `${((0.97 - s.noise) * 100).toFixed(1)} %`, bar: 0.97 - s.noise },
          { text: (s.floor * 2).toExponential(1) },
          { text: "4.42" },
          { text: `${Math.round(440 - 300 * s.noise)} / 512`, bar: (440 - 300 * s.noise) / 512 },
          { text: s.noise > 0.2 ? "mixed" : "pizza", tone: "none" as const },
        ],
      })),
    },
    runs,
    seedNumbers: [
      { label: "Grok epoch", unit: "epochs", values: runs.map((r) => ({ mode: r.mode, seed: r.seed, value: r.grokEpoch })) },
      {
        label: "Logits explained",
        unit: "share",
        values: runs.map((r) => ({ mode: r.mode, seed: r.seed, value: (r.final?.logitFve ?? 0) + 0.04 * jitter(r.seed + r.epoch) })),
      },
      {
        label: "Key frequencies",
        unit: "count",
        values: runs.map((r) => ({ mode: r.mode, seed: r.seed, value: (r.final?.keys.length ?? 0) + (r.seed % 2) })),
      },
    ],
    methods: [
      { title: "Task and training", paragraphs: ["Full-batch AdamW with learning rate 1e-3, weight decay 1, betas (0.9, 0.98)."] },
      {
        title: "What the paper's code did, and what we do",
        paragraphs: [],
        rows: [
          ["B1", "Its weight images showed a matrix that is never trained. Here the codes shown are those the forward pass multiplies with."],
          ["B2", "Its Fourier basis ran to k = 57 and counted k = 56 twice. Here k runs from 1 to 56."],
        ],
      },
    ],
  };
}
