/** Prompts, metrics and models that no analysis may trip over. */
import { type Core, Model, Tensor, type Tokens, type TransformerOptions, transformerConfig, transformerSpec } from "tritlens";
import { logitDiff, type MetricLike } from "tritlens/interp";
import { detached } from "./attack.ts";

export const CONFIG: TransformerOptions = { nLayers: 2, dModel: 8, dHead: 4, nHeads: 2, dMlp: 12, nCtx: 6, dVocab: 9 };
export const CLEAN = [
  [1, 5, 3, 7],
  [4, 0, 8, 2],
];
export const CORRUPT = [
  [2, 5, 8, 7],
  [4, 3, 6, 0],
];
export const METRIC = logitDiff([1, 2], [3, 4]);

/** A model of the smallest kind, whose weights are large enough for answers to differ. */
export const modelOf = (core: Core, change: Partial<TransformerOptions> = {}): Model => Model.fromConfig({ ...CONFIG, ...change }, { core, seed: 1 });

/** No run of the model takes them. */
export const TOKENS: Readonly<Record<string, [codes: string, tokens: () => Tokens]>> = {
  "a token outside the vocabulary": [
    "E_RANGE",
    () => [
      [1, 2, 3, 9],
      [0, 0, 0, 0],
    ],
  ],
  NaN: [
    "E_RANGE",
    () => [
      [1, 2, Number.NaN, 4],
      [0, 0, 0, 0],
    ],
  ],
  "a fraction": [
    "E_RANGE",
    () => [
      [1, 2, 0.5, 4],
      [0, 0, 0, 0],
    ],
  ],
  "a negative token": [
    "E_RANGE",
    () => [
      [1, 2, -1, 4],
      [0, 0, 0, 0],
    ],
  ],
  "no rows": ["E_SHAPE", () => []],
  "an empty row": ["E_SHAPE", () => [[]]],
  "ragged rows": [
    "E_SHAPE",
    () => [
      [1, 2, 3, 4],
      [1, 2, 3],
    ],
  ],
  "more positions than the model has": [
    "E_RANGE E_SHAPE",
    () => [
      [1, 2, 3, 4, 5, 6, 7],
      [1, 2, 3, 4, 5, 6, 7],
    ],
  ],
  "a detached buffer": ["E_DETACHED", () => ({ data: detached(new Int32Array(8)), shape: [2, 4] })],
  nothing: ["E_SHAPE", () => undefined as never],
  text: ["E_SHAPE E_RANGE", () => "abcd" as never],
};

/** Prompts that do not fit the other ones. */
export const OTHERS: Readonly<Record<string, Tokens>> = {
  "another length": CLEAN.map((r) => r.slice(1)),
  "another batch": [
    [1, 5, 3, 7],
    [4, 0, 8, 2],
    [1, 1, 1, 1],
  ],
};

/** Each with the gradient to fit, so that gradient methods come as far as the value. */
const broken = (value: (logits: Tensor) => unknown, grad = (x: Tensor) => new Float32Array(x.size)): MetricLike =>
  ({ name: "broken", reads: { positions: "all" }, value, grad }) as MetricLike;

export class Thrown extends Error {}

/** `thrown` is for what the metric itself throws, which passes through. */
export const METRICS: Readonly<Record<string, [codes: string, metric: MetricLike]>> = {
  "that throws": [
    "thrown",
    broken(
      () => {
        throw new Thrown("metric");
      },
      () => {
        throw new Thrown("metric");
      },
    ),
  ],
  "that is NaN": [
    "E_NONFINITE",
    broken(
      () => Number.NaN,
      (x) => new Float32Array(x.size).fill(Number.NaN),
    ),
  ],
  "that is infinite": [
    "E_NONFINITE",
    broken(
      () => Number.POSITIVE_INFINITY,
      (x) => new Float32Array(x.size).fill(Number.POSITIVE_INFINITY),
    ),
  ],
  "that returns nothing": [
    "E_SHAPE",
    broken(
      () => undefined,
      () => undefined as never,
    ),
  ],
  "that returns a tensor": [
    "E_SHAPE",
    broken(
      (x) => x,
      () => new Float32Array(1),
    ),
  ],
  "that returns a list": [
    "E_SHAPE",
    broken(
      () => [1],
      () => [1] as never,
    ),
  ],
  "that reads a class beyond the last": ["E_RANGE", logitDiff(1, 900)],
  "that reads NaN": ["E_RANGE", { ...METRIC, reads: { positions: "last", classes: [Number.NaN] } }],
  "that reads half a class": ["E_RANGE", { ...METRIC, reads: { positions: "last", classes: [0.5] } }],
  "that reads an unknown position": ["E_NAME", { ...METRIC, reads: { positions: "first" as never } }],
  "with answers for another batch": ["E_SHAPE", logitDiff([1, 2, 3], [3, 4, 5])],
  "that is nothing": ["E_SHAPE", undefined as never],
  "that is a number": ["E_SHAPE", 3 as never],
  "without value": ["E_SHAPE", { name: "empty", reads: { positions: "all" } } as never],
  "without reads": ["E_SHAPE", { name: "empty", value: () => 1, grad: (x: Tensor) => new Float32Array(x.size) } as never],
};

/** Models that lack parts. */
export const MODELS: Readonly<Record<string, (core: Core) => Model>> = {
  "attention only": (core) => modelOf(core, { attnOnly: true }),
  "no norm": (core) => modelOf(core, { normalization: "none" }),
  "grouped keys": (core) =>
    modelOf(core, { nHeads: 4, dHead: 2, nKeyValueHeads: 2, positions: "rotary", normalization: "RMS", gatedMlp: true, actFn: "silu" }),
  "readout last": (core) => modelOf(core, { readout: "last" }),
  shortformer: (core) => modelOf(core, { positions: "shortformer" }),
  bidirectional: (core) => modelOf(core, { attentionDir: "bidirectional" } as never),
  parallel: (core) => modelOf(core, { parallelAttnMlp: true }),
  "latent ternary, int8": (core) => modelOf(core, { quantizer: "ternary", actQuant: "int8", subNorm: true, normalization: "RMS" }),
  "one block, one head": (core) => modelOf(core, { nLayers: 1, nHeads: 1, dHead: 8 }),
  "a bare Spec": (core) => Model.fromSpec(transformerSpec(transformerConfig(CONFIG)), { core, seed: 1 }),
};

/** A tensor of numbers that count up. */
export const ramp = (...shape: number[]): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(i)),
    shape,
  );
