/**
 * Results of the modular-addition analyses. Keys are snake_case because this is what `results.json` and `tritlens analyze --json` print, and because the
 * fields of the reference implementation (tests/golden/generate/analyze_modadd.py) keep their names. k runs over 1..floor((p-1)/2), w_k = 2 pi k / p; an array
 * "by frequency" has entry k-1 for frequency k; a record by frequency has keys "k".
 */
export type * from "./input.ts";
export type * from "./pictures-types.ts";
export type * from "./progress-types.ts";

/** A mean cross-entropy on all p * p pairs, on those trained on, and on the others. */
export interface SplitLoss {
  /** Mean over all p * p pairs. */
  all: number;
  /** Mean over the pairs trained on. */
  train: number;
  /** Mean over the others; 0 when there are none. */
  test: number;
}

/** Which frequencies count as key, and why. */
export interface KeyFrequencyDeclaration {
  /** `fixed` when the caller gave the frequencies. */
  rule: string;
  /** The rule's threshold; 0 for `fixed`. */
  threshold: number;
  /** The rule in one sentence, for the report. */
  note: string;
}

/** Neurons by frequency (Nanda 2023, 4.3). */
export interface NeuronSummary {
  /** Neurons of the MLP. */
  total: number;
  /** Neurons whose centred activation has more than 1e-9 of the largest neuron's sum of squares. */
  alive: number;
  /** Live neurons whose best FVE is at least the cluster threshold (0.85). */
  fve_ge_085: number;
  /** Neurons a cluster, by frequency; empty clusters are left out. */
  clusters: Record<string, number>;
  /** Mean over live neurons of the best FVE. White noise gives about 8 / (p^2 - 1) a frequency. */
  mean_best_fve: number;
  /** Dominant frequency of each neuron (0 when dead), [neuron]. */
  frequency: number[];
  /** FVE of that frequency, [neuron]. */
  fve: number[];
}

/** One head's attention (Nanda 2023, 4.2 and appendix). */
export interface HeadAnalysis {
  /** Number of the head, from 0. */
  head: number;
  /** Mean attention to a, b and "=". */
  mean: number[];
  /** Dominant frequency of the score vector C_j over tokens. */
  frequency: number;
  /** Share of C_j's non-constant power at that frequency. */
  score_share: number;
  /** Attention to a ~ 0.5 + alpha (cos w_k a - cos w_k b) + beta (sin w_k a - sin w_k b), least squares. */
  alpha: number;
  /** Coefficient of the sines in the same fit. */
  beta: number;
  /** Variance of the attention to a explained by that form (0 when the pattern is constant; see `pattern_std`). */
  fve: number;
  /** Standard deviation of the attention to a over all pairs: about 0 means uniform attention, where fve says nothing. */
  pattern_std: number;
  /** Share of the pattern's non-constant 2-D Fourier power in the eight terms of its best frequency. */
  periodicity: number;
}

/** The neuron-to-logit map W_L = W_U W_out (Nanda 2023, 4.3). */
export interface UnembedAnalysis {
  /** Norm of each non-constant cos, sin row of F W_L, in the order cos 1, sin 1, cos 2, ... */
  spectrum: number[];
  /** Numerical rank: singular values above 1 % of the largest. */
  rank: number;
  /** Participation ratio of the squared singular values: (sum s^2)^2 / sum s^4. */
  effective_rank: number;
  /** ||W_L - sum_k cos(w_k c) u_k + sin(w_k c) v_k||_F / ||W_L||_F over the key frequencies. */
  residual: number;
  /** By key frequency: variance of u_k . N explained by cos(w_k(a+b)). */
  u_fve: Record<string, number>;
  /** By key frequency: variance of v_k . N explained by sin(w_k(a+b)). */
  v_fve: Record<string, number>;
  /**
   * The same share of the interaction only: of what is left of u_k . N without functions of a alone and of b alone. Where the MLP also cancels linear terms of
   * the residual stream (Li's architecture), this and not `u_fve` compares with Nanda's 93 to 98 %.
   */
  u_interaction_fve: Record<string, number>;
  /** The same of v_k . N. */
  v_interaction_fve: Record<string, number>;
  /** Gini of the spectrum with the RMSNorm gain folded into W_U; equal to `unembed_gini` when there is no gain. */
  gini_with_gain: number;
}

/** Logits ~ sum over key k of alpha_k cos(w_k(a+b-c)) by least squares (Nanda 2023, 4.1). */
export interface LogitFit {
  /** Share of the sum of squares after removing each input's mean over classes (the convention of `logit_fve_key`). */
  r2_centred: number;
  /** 1 - residual / total about the one global mean (the paper does not say which it uses). */
  r2_global: number;
  /** Loss of the approximation alone. */
  loss: SplitLoss;
}

/** 2-D Fourier transform of the logits over (a, b) (Nanda 2023, 4.1). */
export interface LogitSpectrum {
  /** Entries (f, g) other than (0, 0) whose norm over classes is above `threshold` times the largest. */
  significant: number;
  /** Those of them inside a same-frequency 2 x 2 block. */
  in_blocks: number;
  /** Share of the largest norm above which an entry counts as significant. */
  threshold: number;
  /** Share of non-constant power in the 2 x 2 blocks of the key frequencies. */
  key_block_share: number;
  /** Share of non-constant power in the two directions cos, sin(w_k(a+b)) of the key frequencies. */
  key_sum_share: number;
}

/** Clock or pizza on one isolated circle (Zhong et al. 2023, sections 4 and 5): squared correlation of logits and model. */
export interface CircleFit {
  /** The frequency that was kept. */
  frequency: number;
  /** cos(w(a+b-c)). */
  clock: number;
  /** |cos(w(a-b)/2)| (|cos(w(a+b-c)/2)| - |sin(w(a+b-c)/2)|). */
  pizza: number;
  /** Accompanying circle: -(cos(2wa - wc) + cos(2wb - wc)). */
  accompanying: number;
}

/** The metrics of Zhong et al. that tell clock from pizza. */
export interface ClockPizza {
  /** Mean cosine of dL_c/dE_a and dL_c/dE_b over 100 triples; null without a probe. Pizza near 1. Untrained nets and uniform attention too. */
  gradient_symmetricity: number | null;
  /** 0: the correct logit depends only on a - b (pizza); 1: not at all (clock). 0 where the correct logit is constant (0/0). */
  distance_irrelevance: number;
}

/** Circularity of the first four principal components of the token embeddings (Zhong et al. 2023). */
export interface Circularity {
  /** Average over the (at most four) components. */
  mean: number;
  /** Circularity of each component, largest variance first. */
  by_component: number[];
  /** Frequency at which each component is most circular. */
  frequencies: number[];
}

/** Phases and mode purity of neurons (Gromov 2023, equations of the analytic solution). */
export interface NeuronPhases {
  /** Clustered neurons looked at. */
  neurons: number;
  /** Mean resultant length of phi_1 + phi_2 - phi_3: 1 when the condition holds for all neurons, 0 when spread. */
  resultant: number;
  /** Circular mean of phi_1 + phi_2 - phi_3, radians. */
  mean: number;
  /** Mean resultant length of the input phase within clusters: about 0 when phases are spread uniformly, as the solution needs. */
  input_resultant: number;
  /** Mean IPR over live neurons of the input weights' spectrum (W_in W_E, by neuron over tokens), cos/sin basis. */
  ipr_input: number;
  /** The same of the output weights (columns of W_U W_out, over classes). */
  ipr_output: number;
}

/** Family-level fits of irreducible representations (Chughtai et al. 2023), by key frequency. */
export interface RepresentationFit {
  /** Cosine similarity of the centred logits and the character 2 cos(w_k(a+b-c)). */
  logit_similarity: Record<string, number>;
  /** Share of W_E's centred norm within span{cos w_k t, sin w_k t}. */
  embedding_fve: Record<string, number>;
  /** Share of W_U's centred norm within span{cos w_k c, sin w_k c}. */
  unembed_fve: Record<string, number>;
  /** Share of the centred MLP activations' norm within span{cos, sin(w_k(a+b))}. */
  mlp_fve: Record<string, number>;
  /** `embedding_fve` summed over the key frequencies. */
  embedding_fve_key: number;
  /** `unembed_fve` summed over the key frequencies. */
  unembed_fve_key: number;
  /** `mlp_fve` summed over the key frequencies. */
  mlp_fve_key: number;
}

/** Singular values of W_E beside those of a Gaussian matrix of the same shape and Frobenius norm (Li 2024's control). */
export interface EmbeddingSvd {
  /** Components whose singular value exceeds the control's largest. */
  above_random: number;
  /** Participation ratio of squared singular values. */
  effective_rank: number;
  /** The same of the control. */
  random_effective_rank: number;
  /** Least number of components with 90 % of the squared norm. */
  components_90: number;
}

/** Gram matrix of the embedding's key Fourier directions (Li 2024's notebooks). */
export interface KeyGram {
  /** Labels, `cos 14`, `sin 14`, ... */
  labels: string[];
  /** Cosine similarities, row-major [labels, labels]. */
  cosine: number[];
  /** Mean absolute off-diagonal cosine; 0 = orthogonal. */
  mean_off_diagonal: number;
}

/** Codes of one quantised matrix, read from the matrix the forward pass uses (not the unused outer one of Li's notebooks, trap B1). */
export interface CodeStatistics {
  /** Name of the quantiser. */
  quant: string;
  /** Magnitude of a non-zero entry: 1 for Li's binary. */
  scale: number;
  /** Share of codes -1. */
  minus: number;
  /** Share of codes 0. */
  zero: number;
  /** Share of codes 1. */
  plus: number;
  /** Entropy of the codes, bits a weight. */
  entropy: number;
  /** Cosine of latent and effective matrix. */
  cosine: number;
}

/** One ablation (Nanda 2023, table of section 4.4): losses with part of the model replaced. */
export interface Ablation extends SplitLoss {
  /** Stable name: `none`, `attention_zeroed`, `neurons_without_<k>`, ... */
  name: string;
  /** What was done, in words. */
  note: string;
}

/** Everything measured on one checkpoint. */
export interface ModAddAnalysis {
  /** Training mode: `fp32`, `li_binary`, ... */
  mode: string;
  /** Modulus. */
  p: number;
  /** Mean cross-entropy on the training pairs (log-softmax in f64). */
  train_loss: number;
  /** The same on the other pairs. */
  test_loss: number;
  /** The same on all pairs. */
  all_loss: number;
  /** Share of right answers on the training pairs. */
  train_accuracy: number;
  /** Share of right answers on the other pairs. */
  test_accuracy: number;
  /** Key frequencies, most important first. */
  key_frequencies: number[];
  /** How they were found. */
  key_frequency_rule: KeyFrequencyDeclaration;
  /** By key frequency: share of the centred logits' sum of squares along cos(w_k(a+b-c)). */
  logit_share: Record<string, number>;
  /** What the share is a share of. */
  logit_share_note: string;
  /** The same by frequency, all of them. */
  logit_share_all: number[];
  /** By key frequency: coefficient (2/p^3) sum L cos(w_k(a+b-c)). */
  alpha: Record<string, number>;
  /** Sum of `logit_share` over the key frequencies. */
  logit_fve_key: number;
  /** Quality of the fit by the key frequencies. */
  logit_fit: LogitFit;
  /** Significant entries of the 2-D spectrum. */
  logit_spectrum: LogitSpectrum;
  /** The ten largest shares of W_E's non-constant Fourier power, by frequency. */
  embedding_power_share: Record<string, number>;
  /** The same by frequency, all of them. */
  embedding_power_share_all: number[];
  /** Gini of the norms of W_E's non-constant Fourier rows. */
  embedding_gini: number;
  /** Gini of the norms of W_L's (W_U W_out) non-constant Fourier rows, W_out effective. */
  unembed_gini: number;
  /** The neuron-to-logit map. */
  unembed: UnembedAnalysis;
  /** Neuron clusters. */
  neurons: NeuronSummary;
  /** Heads of the read-out position. */
  attention: HeadAnalysis[];
  /** By head: mean attention to a, b, "=". */
  attention_mean: Record<string, number[]>;
  /** Loss of P_K L + mean L: only cos, sin(w_k(a+b)) of the key frequencies kept. */
  restricted_loss: SplitLoss;
  /** Loss of L - P_K L: those directions removed. */
  excluded_loss: SplitLoss;
  /** By frequency: loss on the training pairs with that one frequency's directions removed. */
  excluded_loss_by_frequency: number[];
  /** Largest of them: needs no key frequencies. */
  excluded_loss_max: number;
  /** The "3-D" variant: only the components along cos(w_k(a+b-c)) removed. */
  excluded_loss_3d: SplitLoss;
  /** By key frequency: <L, t_k>, t_k = cos(w_k(a+b-c)) of unit norm. */
  cos_coefficients: Record<string, number>;
  /** By key frequency: <L, t_k> / ||L||. */
  cos_similarity: Record<string, number>;
  /** Sum of squared latent weights by tensor. */
  sum_squared_weights: Record<string, number>;
  /** Their total. */
  sum_squared_total: number;
  /** Share of zero codes of the quantised matrices; empty in full precision. */
  zeros: Record<string, number>;
  /** Code statistics by quantised matrix; empty in full precision. */
  codes: Record<string, CodeStatistics>;
  /** See {@link ClockPizza}. */
  gradient_symmetricity: number | null;
  /** See {@link ClockPizza}. */
  distance_irrelevance: number;
  /** The same statistic of the largest wrong logit. */
  distance_irrelevance_wrong: number;
  /** The 100 triples (a, b, c): numpy's default_rng(0).integers(0, p, (100, 3)). */
  gradient_triples: number[][];
  /** The two metrics on an untrained model of the same architecture; null when none was given. */
  untrained: ClockPizza | null;
  /** Circularity of the embedding. */
  circularity: Circularity;
  /** Clock and pizza fits by isolated circle; empty without a probe. */
  circles: CircleFit[];
  /** Phases of clustered neurons. */
  phases: NeuronPhases;
  /** Family-level fits. */
  representation: RepresentationFit;
  /** Singular values of the embedding against a random control. */
  embedding_svd: EmbeddingSvd;
  /** Angles between the embedding's key directions. */
  key_gram: KeyGram;
  /** Largest |logits(a,b) - logits(b,a)|: 0 to rounding in Li's architecture, not in Nanda's. */
  symmetric_max_abs: number;
  /** Nanda et al. 2023, section 4.4. Without a probe only those that touch nothing but the logits. The first is `none`, the model as it is. */
  ablations: Ablation[];
}
