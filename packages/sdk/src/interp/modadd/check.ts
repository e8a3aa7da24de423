/** Checks of what a caller hands in. Every failure is a typed error that says what was expected and what came. */
import { requireAttached, TritlensError, unknownName } from "../../core/index.ts";
import { frequencyCount } from "../math/fourier.ts";
import type { Floats, KeyFrequencyRule, ModAddActivations, ModAddWeight, ModAddWeights } from "./input.ts";

/** Throws E_RANGE unless p is an integer of at least 3. */
export function checkModulus(p: number): void {
  if (!Number.isInteger(p) || p < 3) {
    throw new TritlensError("E_RANGE", "the modulus must be an integer of at least 3", { expected: "p >= 3", found: String(p) });
  }
}

/** Throws E_SHAPE for a wrong length, E_DETACHED for a transferred buffer, E_NONFINITE for NaN or infinity. */
export function checkArray(what: string, data: Floats, length: number, shape: string): void {
  requireAttached(what, data);
  if (data.length !== length) {
    throw new TritlensError("E_SHAPE", `${what} has the wrong length`, { expected: `${shape} = ${length}`, found: String(data.length) });
  }
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new TritlensError("E_NONFINITE", `${what} is not finite at element ${bad}`, {
      expected: "finite numbers",
      found: String(data[bad]),
    });
}

/** Throws E_RANGE unless every index is an integer in [0, p * p); E_SHAPE when there are none. */
export function checkTrainIndices(p: number, indices: ArrayLike<number>): void {
  if (indices.length === 0)
    throw new TritlensError("E_SHAPE", "no training pairs were given", { expected: "indices a * p + b", found: "an empty list" });
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (!Number.isInteger(index) || index < 0 || index >= p * p) {
      throw new TritlensError("E_RANGE", "a training pair lies outside the task", {
        expected: `an integer in [0, ${p * p})`,
        found: String(index),
      });
    }
  }
}

/** Throws E_RANGE unless every frequency is an integer in 1..floor((p-1)/2). Duplicates are dropped. */
export function checkFrequencies(p: number, ks: readonly number[]): number[] {
  for (const k of ks) {
    if (!Number.isInteger(k) || k < 1 || k > frequencyCount(p)) {
      throw new TritlensError("E_RANGE", `unknown frequency for p = ${p}`, {
        expected: `an integer in 1..${frequencyCount(p)}`,
        found: String(k),
      });
    }
  }
  return [...new Set(ks)];
}

const RULES: readonly KeyFrequencyRule[] = ["logit_share", "neuron_argmax", "embedding_norm", "unembed_norm"];

/** Throws E_NAME for a rule that does not exist, E_RANGE for a threshold that no share can have. */
export function checkRule(rule: string, threshold: number): void {
  if (!(RULES as readonly string[]).includes(rule)) throw unknownName("key-frequency rule", rule, RULES);
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new TritlensError("E_RANGE", "the key-frequency threshold must be a share", {
      expected: "a number in [0, 1]",
      found: String(threshold),
    });
  }
}

/** A weight by short name, or E_NAME. */
export function weight(weights: ModAddWeights, name: string): ModAddWeight {
  const found = weights[name];
  if (found === undefined) throw unknownName("weight", name, Object.keys(weights));
  return found;
}

const MATRICES = ["W_E", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"];

/** Checks all weights: the eight matrices are there, and arrays fit their shapes. */
export function checkWeights(weights: ModAddWeights): void {
  for (const name of MATRICES) weight(weights, name);
  for (const [name, { latent, effective, shape }] of Object.entries(weights)) {
    const length = shape.reduce((product, n) => product * n, 1);
    checkArray(`weight ${name}`, latent, length, `[${shape.join(", ")}]`);
    checkArray(`effective weight ${name}`, effective, length, `[${shape.join(", ")}]`);
  }
}

/** Checks everything the analyses read. */
export function checkActivations(acts: ModAddActivations): void {
  const { p, dModel, dMlp, heads, seq } = acts;
  checkModulus(p);
  checkTrainIndices(p, acts.trainIndices);
  const pairs = p * p;
  checkArray("logits", acts.logits, pairs * p, "[p*p, p]");
  checkArray("neurons", acts.neurons, pairs * dMlp, "[p*p, dMlp]");
  checkArray("pattern", acts.pattern, pairs * heads * seq, "[p*p, heads, seq]");
  checkArray("residPre", acts.residPre, dModel, "[dModel]");
  checkArray("attnOut", acts.attnOut, pairs * dModel, "[p*p, dModel]");
  checkArray("mlpOut", acts.mlpOut, pairs * dModel, "[p*p, dModel]");
  checkWeights(acts.weights);
}
