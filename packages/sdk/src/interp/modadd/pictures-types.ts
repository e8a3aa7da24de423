/** Arrays to plot, rounded to about four digits so that a report stays small. All are JSON-safe (plain arrays). */

/** A p x p (or rows x cols) image, row-major: row = first index. */
export interface HeatMap {
  /** Extent of the first index. */
  rows: number;
  /** Extent of the second index. */
  cols: number;
  /** `rows * cols` numbers. */
  values: number[];
}

/** A named image over (a, b): rows = a, columns = b. */
export interface NamedMap {
  /** What is shown, in words. */
  title: string;
  /** The image. */
  map: HeatMap;
}

/** Attention of the read-out position in one head to one key. */
export interface AttentionMap extends NamedMap {
  /** Number of the head, from 0. */
  head: number;
  /** Which token is looked at. */
  key: "a" | "b" | "=";
}

/** One neuron after the ReLU. */
export interface NeuronMap extends NamedMap {
  /** Number of the neuron, from 0. */
  neuron: number;
  /** Its dominant frequency. */
  frequency: number;
  /** Variance explained by that frequency. */
  fve: number;
}

/** Tokens 0..p-1 in a plane of the embedding: a circle when the model uses that frequency. */
export interface Circle {
  /** The frequency shown. */
  frequency: number;
  /** `pca`: two principal components of this dominant frequency; `fourier`: the plane of the cos and sin directions. */
  source: "pca" | "fourier";
  /** One-based numbers of the principal components; empty for `fourier`. */
  components: number[];
  /** First coordinate of tokens 0..p-1. */
  x: number[];
  /** Second coordinate. */
  y: number[];
}

/** Norms of the cos and sin rows of a Fourier transform; entry k-1 is frequency k. */
export interface Spectrum {
  /** Norms of the cos rows. */
  cos: number[];
  /** Norms of the sin rows. */
  sin: number[];
  /** Share of the non-constant power. */
  share: number[];
}

/** Counts in equal bins from `from` to `to`. */
export interface Histogram {
  /** Lower end of the first bin. */
  from: number;
  /** Upper end of the last bin. */
  to: number;
  /** One count a bin. */
  counts: number[];
}

/** The ternary or binary codes of one matrix as an image: characters `-`, `0`, `+`, row after row. */
export interface CodeImage {
  /** Short name of the weight. */
  name: string;
  /** Outputs of the layer. */
  rows: number;
  /** Inputs of the layer. */
  cols: number;
  /** `rows * cols` characters. */
  codes: string;
}

/** Singular values, falling. */
export interface SingularValues {
  /** Of W_E. */
  embedding: number[];
  /** Of the control. */
  random: number[];
}

/** A square image with labels. */
export interface LabelledMap {
  /** Of rows and columns alike. */
  labels: string[];
  /** The image. */
  map: HeatMap;
}

/** Two curves over c - (a+b) mod p, from 0. */
export interface OffsetCurves {
  /** Mean centred logit of the model. */
  model: number[];
  /** Fit by the key frequencies. */
  fit: number[];
}

/** Everything the report draws of one checkpoint. */
export interface ModAddPictures {
  /** Training mode. */
  mode: string;
  /** Modulus. */
  p: number;
  /** Most important first. */
  key_frequencies: number[];
  /** Of W_E over the tokens. */
  embedding_spectrum: Spectrum;
  /** Of W_L = W_U W_out along the classes. */
  unembed_spectrum: Spectrum;
  /** Share of the centred logits by frequency: `logit_share_all`. */
  logit_share: number[];
  /** One circle a key frequency. */
  circles: Circle[];
  /** Share of the embedding's centred variance by principal component (first 16). */
  pca_share: number[];
  /** Singular values of W_E, and of a Gaussian control of the same shape and norm. */
  singular_values: SingularValues;
  /** Singular values of W_L. */
  unembed_singular_values: number[];
  /** Gram matrix of the key directions, cosines; rows and columns are `labels`. */
  gram: LabelledMap;
  /** Each head to a (and to b, "=" for the first head). */
  attention: AttentionMap[];
  /** By head: share of the score vector C_j's power by frequency. */
  attention_scores: number[][];
  /** The purest neuron of each cluster, and the least pure live one. */
  neurons: NeuronMap[];
  /** Best FVE of live neurons, 20 bins of 0.05 (Li 2024's histogram). */
  neuron_fve: Histogram;
  /** Number of neurons a cluster by frequency (entry k-1). */
  neuron_clusters: number[];
  /** phi_1 + phi_2 - phi_3 of clustered neurons, 24 bins over [-pi, pi]. */
  phase_sum: Histogram;
  /** Norm over classes of the logits' 2-D Fourier components, [p, p] in the order const, cos 1, sin 1, ... */
  logit_spectrum: HeatMap;
  /** Norm over neurons of the centred activations' 2-D Fourier components (Li 2024), same order; only marginal and same-frequency entries are computed, the rest are 0. */
  neuron_spectrum: HeatMap;
  /** Correct-class logit over (a, b). */
  correct_logit: HeatMap;
  /** Correct-class logit over s = a + b (rows) and d = a - b (columns), mod p: vertical stripes for a pizza. */
  correct_logit_by_distance: HeatMap;
  /** Correct minus best wrong logit over (a, b). */
  margin: HeatMap;
  /** Mean over pairs of the centred logit as a function of c - (a+b) mod p, and the fit by key frequencies. */
  logit_by_offset: OffsetCurves;
  /** Training pairs as an image of 0 and 1. */
  train: HeatMap;
  /** Codes of the quantised matrices; empty in full precision. */
  codes: CodeImage[];
}
