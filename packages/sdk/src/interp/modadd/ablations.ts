/**
 * The ablations of Nanda 2023 (4.4): the model runs again with part of it replaced, and the loss says what the part is for. Those that only touch the
 * logits need no run. Everything happens at the read-out position; weights are not changed, so quantised models are ablated as they are.
 */
import { additionLoss } from "../math/cross-entropy.ts";
import { filterLine, LINES, lineIndex, meanOverPairs } from "../math/marginals.ts";
import { fitTrigForm, sigmoidToA, trigRegressors } from "./attention.ts";
import { degree2, onlySums, projectOnReadout, withoutFrequency } from "./filter-neurons.ts";
import type { ModAddProbe, ModAddReplacements } from "./input.ts";
import type { Prepared } from "./prepare.ts";
import { restrictedLoss } from "./restricted.ts";
import type { Ablation, HeadAnalysis, NeuronSummary, SplitLoss } from "./types.ts";

/** What ablations build on. */
export interface AblationInput {
  prepared: Prepared;
  ks: readonly number[];
  neurons: NeuronSummary;
  attention: readonly HeadAnalysis[];
  clusterThreshold: number;
}

/** One ablation by activations: made only when its turn comes, because each holds an array of p^2 rows. */
interface Recipe {
  name: string;
  note: string;
  replace: () => ModAddReplacements;
}

/** Runs all ablations, one after the other. */
export async function runAblations(input: AblationInput, probe: ModAddProbe): Promise<Ablation[]> {
  const { p, mask } = input.prepared;
  const done = logitAblations(input);
  for (const { name, note, replace } of recipes(input)) {
    done.push({ name, note, ...additionLoss(await probe.logits(replace()), p, mask) });
  }
  return done;
}

function recipes(input: AblationInput): Recipe[] {
  return [...residualRecipes(input.prepared), attentionRecipe(input), ...neuronRecipes(input)];
}

/** Attention, its skip, and the MLP's skip. */
function residualRecipes({ acts }: Prepared): Recipe[] {
  return [
    { name: "attention_zeroed", note: "attention adds nothing", replace: () => ({ residMid: repeat(acts.residPre, acts.attnOut.length) }) },
    { name: "attention_skip_zeroed", note: "the residual around attention is cut", replace: () => ({ residMid: acts.attnOut }) },
    { name: "mlp_skip_zeroed", note: "the residual around the MLP is cut", replace: () => ({ residPost: acts.mlpOut }) },
    {
      name: "mlp_skip_mean",
      note: "the residual around the MLP is replaced by its mean over pairs",
      replace: () => ({ residPost: meanSkip(acts) }),
    },
  ];
}

function repeat(row: ArrayLike<number>, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => row[i % row.length] as number);
}

function meanSkip({ residPre, attnOut, mlpOut, dModel, p }: Prepared["acts"]): Float32Array {
  const mean = Float64Array.from(residPre);
  for (let i = 0; i < attnOut.length; i++) mean[i % dModel] += attnOut[i] / (p * p);
  return Float32Array.from(mlpOut, (value, i) => value + mean[i % dModel]);
}

/** Each head's split of attention between a and b replaced by its fitted cosine; attention to "=" stays. */
function attentionRecipe({ prepared, attention }: AblationInput): Recipe {
  return {
    name: "attention_trig",
    note: "the sigmoid between a and b is replaced by 0.5 + alpha (cos w_k a - cos w_k b) + beta (sin w_k a - sin w_k b)",
    replace: () => {
      const { acts, p } = prepared;
      const pattern = Float32Array.from(acts.pattern);
      for (const { head, frequency } of attention) setTrigForm(pattern, prepared, head, fitTrigForm(sigmoidToA(acts, head), frequency, p), frequency);
      return { pattern };
    },
  };
}

function setTrigForm(pattern: Float32Array, { acts, p }: Prepared, head: number, { alpha, beta }: { alpha: number; beta: number }, k: number): void {
  for (let pair = 0; pair < p * p; pair++) {
    const from = (pair * acts.heads + head) * acts.seq;
    const both = acts.pattern[from] + acts.pattern[from + 1];
    const [cosine, sine] = trigRegressors(pair, k, p);
    const toA = 0.5 + alpha * cosine + beta * sine;
    pattern[from] = both * toA;
    pattern[from + 1] = both * (1 - toA);
  }
}

function neuronRecipes({ prepared, ks, neurons, clusterThreshold }: AblationInput): Recipe[] {
  const cluster = neurons.frequency.map((k, i) => (neurons.fve[i] >= clusterThreshold ? k : 0));
  return [
    {
      name: "neurons_degree_2",
      note: "clustered neurons replaced by their degree-2 polynomial",
      replace: () => ({ neurons: degree2(prepared, cluster) }),
    },
    {
      name: "neurons_on_readout",
      note: "neurons projected on the u_k, v_k of the key frequencies",
      replace: () => ({ neurons: projectOnReadout(prepared, ks, true) }),
    },
    {
      name: "neurons_off_readout",
      note: "neurons projected off the u_k, v_k of the key frequencies",
      replace: () => ({ neurons: projectOnReadout(prepared, ks, false) }),
    },
    {
      name: "neurons_only_sums",
      note: "neurons cut down to their mean and cos, sin(w_k(a+b)) of the key frequencies",
      replace: () => ({ neurons: onlySums(prepared, ks, false) }),
    },
    {
      name: "neurons_sums_and_linear",
      note: "the same, but functions of a alone and of b alone are kept: in Li's architecture they cancel those of the residual stream around the MLP",
      replace: () => ({ neurons: onlySums(prepared, ks, true) }),
    },
    ...ks.map((k) => ({
      name: `neurons_without_${k}`,
      note: `all eight degree-2 terms of frequency ${k} removed from all neurons`,
      replace: (): ModAddReplacements => ({ neurons: withoutFrequency(prepared, k) }),
    })),
  ];
}

/** Ablations of the logits themselves: the unchanged loss, const + cos, sin(w_k(a+b)), and const + all eight terms of each key frequency. */
export function logitAblations({ prepared, ks }: Pick<AblationInput, "prepared" | "ks">): Ablation[] {
  const { logits, p, mask } = prepared;
  return [
    { name: "none", note: "the model as it is", ...additionLoss(logits, p, mask) },
    {
      name: "logits_only_sums",
      note: "logits cut down to const and cos, sin(w_k(a+b)) of the key frequencies (the restricted loss)",
      ...restrictedLoss(prepared, ks),
    },
    {
      name: "logits_only_key_blocks",
      note: "logits cut down to const and the eight degree-2 terms of each key frequency",
      ...keyBlockLoss(prepared, ks),
    },
  ];
}

function keyBlockLoss({ basis, logitHat, logitSums, p, mask }: Prepared, ks: readonly number[]): SplitLoss {
  const mean = meanOverPairs(logitSums, p, p);
  const tables = LINES.map((line) => ({ line, values: filterLine(basis, logitHat[line], ks, p, p) }));
  const kept = new Float64Array(p * p * p);
  for (let pair = 0; pair < p * p; pair++) {
    kept.set(mean, pair * p);
    for (const { line, values } of tables) {
      const from = lineIndex[line](Math.floor(pair / p), pair % p, p) * p;
      for (let c = 0; c < p; c++) kept[pair * p + c] += values[from + c];
    }
  }
  return additionLoss(kept, p, mask);
}
