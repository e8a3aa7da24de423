/**
 * The data a report page draws: plain JSON, already rounded, embedded in the page. `build.ts` makes it from a {@link Results}; the client
 * script under `client/` reads it and knows nothing else. Keeping this view apart from `results.json` lets the page stay small while the
 * results keep every digit.
 */

/** A picture over a grid, row-major, rows from the top. Value = lo + (hi - lo) * level / top, top = 255 at 8 bits and 2 at 2 bits (codes). */
export interface Raster {
  /** Bits a cell: 8, or 2 with four cells a byte, lowest bits first. */
  depth: 8 | 2;
  width: number;
  height: number;
  lo: number;
  hi: number;
  /** Base64 of the packed levels. */
  bytes: string;
}

/** A stretch of training with a name, see `phases.ts`. */
export interface PhaseBand {
  name: string;
  from: number;
  to: number;
}

/** Columns of equal length over training; `null` marks a number that was not finite. */
export interface Series {
  epoch: number[];
  columns: Record<string, (number | null)[]>;
}

/** The ring of token embeddings at one key frequency: token t lies at (x[t], y[t]). */
export interface Circle {
  k: number;
  x: number[];
  y: number[];
  /** The plane: two principal components, or the cos and sin directions of k where no pair of components belongs to k. */
  plane: string;
}

/** Post-ReLU activation of one neuron over all pairs (a down, b across). */
export interface NeuronPicture {
  index: number;
  k: number;
  fve: number;
  raster: Raster;
}

/** Code statistics of one quantised matrix. Shares add to 1. */
export interface CodeShare {
  matrix: string;
  minus: number;
  zero: number;
  plus: number;
}

/** Mean cross-entropy over all pairs after one intervention. */
export interface AblationRow {
  name: string;
  loss: number | null;
  /** Shown in the table only (one of several alike). */
  detail: boolean;
}

/** One trained model: a mode and a seed. */
export interface ReportRun {
  mode: string;
  seed: number;
  status: "waiting" | "running" | "done" | "stopped" | "diverged" | "failed";
  /** Typed error of a run that diverged or failed. */
  error: string | null;
  epoch: number;
  seconds: number;
  grokEpoch: number | null;
  curves: Series;
  phases: PhaseBand[];
  /** Progress measures at the snapshots. */
  progress: Series | null;
  /** Flips per weight and step, one column a quantised matrix. */
  flips: Series | null;
  final: FinalPictures | null;
  /** Place in the plane of clock and pizza, trained and before training. */
  plane: RunPlane | null;
}

/** The two metrics of Zhong et al. of a run. */
export interface RunPlane {
  symmetricity: number | null;
  irrelevance: number | null;
  untrainedSymmetricity: number | null;
  untrainedIrrelevance: number | null;
}

/** Everything drawn of a run's last checkpoint. Arrays over k start at k = 1. */
export interface FinalPictures {
  keys: number[];
  embeddingShare: number[];
  logitShare: number[];
  mapShare: number[];
  logitFve: number;
  circles: Circle[];
  attention: { head: number; raster: Raster }[];
  neurons: NeuronPicture[];
  /** ‖L̂[f, g, :]‖ over the p x p Fourier basis, log10. */
  logitSpectrum: Raster | null;
  /** Neurons a bin of best FVE, bins of 0.05 from 0 to 1. */
  fveHistogram: number[];
  clusters: { k: number; neurons: number }[];
  codes: CodeShare[];
  codePictures: { matrix: string; x: string; y: string; raster: Raster }[];
  ablations: AblationRow[];
  irrelevance: number | null;
  /** Squared correlation with the clock's and the pizza's logits, one isolated circle each. */
  fits: { k: number; clock: number; pizza: number }[];
  /** Mean centred logit by c - (a+b) mod p: the model's, and the sum of the key cosines. */
  offset: { model: number[]; fit: number[] };
  /** Correct-class logit over s = a + b (down) and d = a - b (across). */
  distance: Raster | null;
  /** Singular values of W_E and of a Gaussian matrix of the same shape and norm. */
  singular: { embedding: number[]; random: number[] };
  /** Neurons by phi_1 + phi_2 - phi_3, equal bins over [-pi, pi]. */
  phaseSum: number[];
}

/** A mode of the experiment as the page shows it. */
export interface ReportMode {
  id: string;
  title: string;
  short: string;
  detail: string;
}

/** A cell of the verdict table: the number, and its spread or a remark below it. */
export interface Cell {
  text: string;
  note?: string;
  /** 0..1 draws a bar under the number. */
  bar?: number;
  /** Small marks instead of running text (key frequencies). */
  chips?: string[];
  /** Colours the cell as a judgement. */
  tone?: "good" | "bad" | "mixed" | "none";
}

/** The verdict table, one row a mode. */
export interface VerdictTable {
  columns: { label: string; help: string }[];
  rows: { mode: string; cells: Cell[] }[];
}

/** One judged finding of the answer. */
export interface Finding {
  tone: "good" | "bad" | "mixed" | "none";
  text: string;
}

/** A titled part of the methods appendix. */
export interface MethodsPart {
  title: string;
  paragraphs: string[];
  rows?: [string, string][];
}

/** The whole page. */
export interface ReportModel {
  schema: "tritlens.report/1";
  title: string;
  lede: string;
  created: string;
  state: "live" | "partial" | "complete";
  facts: [string, string][];
  answer: { headline: string; paragraphs: string[]; findings: Finding[] };
  task: { p: number; trainPairs: number; testPairs: number; chanceLoss: number };
  thresholds: {
    grok: number;
    cluster: number;
    key: number;
    pizzaIrrelevance: number;
    clockIrrelevance: number;
    pizzaSymmetricity: number;
    clockSymmetricity: number;
  };
  modes: ReportMode[];
  table: VerdictTable;
  runs: ReportRun[];
  seedNumbers: { label: string; unit: string; values: { mode: string; seed: number; value: number | null }[] }[];
  methods: MethodsPart[];
}
