/** The methods appendix: what was done, how words were chosen, and where this differs from the paper's code. */
import type { Results } from "../../results.ts";
import { rulesInWords } from "../../verdict/index.ts";
import type { MethodsPart } from "../model.ts";

/** All parts of the appendix. */
export function methods(r: Results): MethodsPart[] {
  return [task(r), training(r), modes(), controls(), definitions(r), rules(r), paperCode(), limits(), machine(r), sources()].map(typeset);
}

/** w_k as it is set in the figures. */
function typeset(part: MethodsPart): MethodsPart {
  const set = (text: string): string => text.replaceAll("w_k", "wₖ").replaceAll("a+b-c", "a+b−c");
  return {
    ...part,
    paragraphs: part.paragraphs.map(set),
    ...(part.rows ? { rows: part.rows.map(([t, d]): [string, string] => [set(t), set(d)]) } : {}),
  };
}

function task({ task: t }: Results): MethodsPart {
  return {
    title: "Task",
    paragraphs: [
      `The model sees three tokens, a, b and “=”, and answers (a + b) mod ${t.p} at the last one. Of the ${(t.p * t.p).toLocaleString("en")} pairs, ${t.train_pairs.toLocaleString("en")} (${Number((100 * t.fraction).toFixed(1))} %) are trained on and ${t.test_pairs.toLocaleString("en")} are never seen in training. Split: ${t.split}. All modes and seeds share it.`,
      `Chance loss is ln ${t.p} = ${Math.log(t.p).toFixed(3)} nats.`,
    ],
  };
}

function training({ training: t, runs }: Results): MethodsPart {
  const longest = Math.max(0, ...runs.map((r) => r.max_epochs));
  return {
    title: "Training",
    paragraphs: [
      `Full batch, AdamW with learning rate ${t.lr}, decoupled weight decay ${t.weight_decay} on every parameter, betas (${t.beta1}, ${t.beta2}), epsilon ${t.eps}; mean cross-entropy with log-softmax in 64-bit floats. One epoch is one step. Latent weights, gradients and moments are 32-bit floats.`,
      `A run ends when its test accuracy has been at least ${100 * t.hold_accuracy} % at every evaluation (each ${t.eval_every} epochs) for ${t.hold_epochs} epochs, or at its limit (at most ${longest.toLocaleString("en")} epochs). A rare late spike of the loss restarts the count.`,
    ],
  };
}

function modes(): MethodsPart {
  return {
    title: "Modes",
    paragraphs: [
      "Quantised are W_Q, W_K, W_V, W_O, W_in and W_out; embedding, unembedding and the norm's gain stay in full precision. Activations are not quantised. The gradient passes straight through sign and rounding, without clipping.",
    ],
    rows: [
      [
        "Full precision",
        "W itself: the same network with the quantiser off. This is the control that the paper lacks: its full-precision reference was another architecture.",
      ],
      ["Binary (Li)", "sign(W − mean W), no scale; the gradient goes through the subtraction of the mean"],
      ["Binary (BitNet)", "β · sign(W − mean W) with β = mean |W|"],
      ["Ternary (Li)", "γ · clamp(round(V / γ), −1, 1) with V = W − mean W and γ = mean |V|; the gradient goes through the subtraction of the mean"],
      ["Ternary (b1.58)", "γ · clamp(round(W / γ), −1, 1) with γ = mean |W|"],
      ["Full precision (Nanda)", "learned positions, causal attention scaled by √32, no norm, biases in the MLP, 10 steps of warm-up"],
    ],
  };
}

function controls(): MethodsPart {
  return {
    title: "Controls",
    paragraphs: [
      "Architecture, split, optimiser, length and seeds are the same for every mode in Li's architecture; initial latent weights of a seed are equal across them. What differs is the quantiser alone. Clock-or-pizza numbers are also taken from each network before training, because an untrained network already has a gradient symmetricity near 1.",
      "Li's architecture has no positions and no mask, so it computes the same function of (a, b) and (b, a). A model that only memorises therefore answers every test pair whose mirror image it was trained on: test accuracy near the train fraction is not a sign of generalisation.",
    ],
  };
}

function definitions({ runs }: Results): MethodsPart {
  const rule = runs.find((r) => r.analysis !== null)?.analysis?.key_frequency_rule;
  const key = rule
    ? `${rule.note} (threshold ${rule.threshold})`
    : "share of the centred logits' sum of squares along cos(w_k(a+b-c)) of at least 0.02";
  return {
    title: "Definitions",
    paragraphs: [],
    rows: [
      ["w_k", "2πk / p, for k = 1 to (p − 1) / 2"],
      [
        "Key frequency",
        `${key}. Found on the last checkpoint and held fixed for all earlier ones. The papers publish no threshold; this one is declared.`,
      ],
      ["Logits explained", "each input's mean over classes removed; share of the sum of squares along cos(w_k(a+b−c)), summed over key frequencies"],
      [
        "Restricted loss",
        "cross-entropy of the logits with only the directions cos, sin(w_k(a+b)) of the key frequencies and the mean over pairs kept (all pairs)",
      ],
      ["Excluded loss", "cross-entropy with those directions removed (train pairs)"],
      [
        "FVE of a neuron",
        "share of the variance of its activation over (a, b) within the eight non-constant products of {1, cos, sin} of one frequency in a and in b",
      ],
      [
        "Gini",
        "of the norms of the non-constant Fourier components of the embedding, and of the map W_U W_out from neurons to logits, with the effective W_out",
      ],
      ["Gradient symmetricity", "mean cosine of ∂L_c/∂E_a and ∂L_c/∂E_b over 100 random triples (a, b, c)"],
      [
        "Distance irrelevance",
        "spread of the right answer's logit over a + b at a fixed a − b, relative to its whole spread: 0 when it depends on the distance only",
      ],
      ["Flip rate", "share of a matrix's codes that change in one optimiser step"],
    ],
  };
}

function rules({ runs }: Results): MethodsPart {
  const phases = runs.find((r) => r.phases !== null)?.phases?.rules ?? [];
  return {
    title: "Rules behind the words",
    paragraphs: [],
    rows: [...rulesInWords(), ...phases.map((rule, i): [string, string] => [i === 0 ? "Phases" : "", rule])],
  };
}

function paperCode(): MethodsPart {
  return {
    title: "What the paper's code did, and what is done here",
    paragraphs: ["The released notebooks of arXiv 2405.17703 were read line by line. Four things in them change what their figures mean."],
    rows: [
      [
        "B1",
        "The weight images show a matrix of the outer layer that is never used or trained, so “no pattern in the weights” was no evidence. Here codes come from the matrices that the forward pass multiplies with.",
      ],
      [
        "B2",
        "The Fourier basis runs to k = 57, so k = 56 is in it twice and counted twice in the variance. Here k runs from 1 to (p − 1) / 2, and the basis is orthonormal.",
      ],
      [
        "B3",
        "Bars are labelled sin where they show cos and the other way round, and components count as key above a norm of 0.1, whatever the embedding's scale. Here the order is constant, cos 1, sin 1, …, and the rule is a share.",
      ],
      [
        "B4",
        "The full-precision reference had positions, a mask, other scaling, biases and no norm. Here it is the same network with the quantiser off; Nanda's own architecture is a further row.",
      ],
    ],
  };
}

function limits(): MethodsPart {
  return {
    title: "How far this goes",
    paragraphs: [
      "One task, one layer, one optimiser. The paper's own numbers are unknown (its notebooks were published without outputs), so this is a repetition of the experiment, not a comparison of figures. Initial weights come from this project's generator, not PyTorch's, so single runs do not match the authors' either. The thresholds above turn a scale into words: read the numbers beside them.",
    ],
  };
}

function machine({ environment: e, started, updated, command, runs }: Results): MethodsPart {
  const seconds = runs.reduce((sum, r) => sum + r.train_seconds + r.analysis_seconds, 0);
  return {
    title: "Machine and software",
    paragraphs: [],
    rows: [
      ["Command", `\`${command}\``],
      ["tritlens", `${e.tritlens}, ${e.backend} core, ${e.isa} kernels, ${e.threads} ${e.threads === 1 ? "thread" : "threads"}`],
      ["Machine", `${e.cpu}, ${e.cores} logical cores, ${e.platform}, Node ${e.node}`],
      ["Started", started],
      ["Last written", updated],
      ["Computing time", `${Math.round(seconds).toLocaleString("en")} s of training and analysis`],
      ["Seeds", [...new Set(runs.map((r) => r.seed))].join(", ")],
    ],
  };
}

function sources(): MethodsPart {
  return {
    title: "Sources",
    paragraphs: [],
    rows: [
      ["Li 2024", "Mechanistic Interpretability of Binary and Ternary Transformers, arXiv 2405.17703, with its released notebooks"],
      ["Nanda et al. 2023", "Progress measures for grokking via mechanistic interpretability, arXiv 2301.05217"],
      ["Zhong et al. 2023", "The Clock and the Pizza, arXiv 2306.17844"],
      ["Gromov 2023", "Grokking modular arithmetic, arXiv 2301.02679"],
      ["Wang et al. 2023; Ma et al. 2024", "BitNet, arXiv 2310.11453; The Era of 1-bit LLMs, arXiv 2402.17764"],
    ],
  };
}
