/**
 * Phases and mode purity of neurons (Gromov 2023). In the analytic solution neuron i has inputs cos(w_k a + phi_1), cos(w_k b + phi_2) and output
 * weights cos(w_k c + phi_3) with phi_1 + phi_2 = phi_3 mod 2 pi, and phases spread evenly over neurons, so that unwanted terms average out.
 *
 * Gromov's model is a two-layer perceptron on one-hot inputs, whose input weights are the phases. Behind attention there is no single input matrix, so the input
 * phases are read from what the neuron does: the mean of its activation over b (a function of a), and over a. That is the same where both exist.
 */
import { mean, ratio } from "../math/statistics.ts";
import type { Prepared } from "./prepare.ts";
import type { NeuronPhases, NeuronSummary } from "./types.ts";

/** Phases of one clustered neuron, radians in (-pi, pi]. */
export interface Phases3 {
  neuron: number;
  frequency: number;
  first: number;
  second: number;
  output: number;
  /** phi_1 + phi_2 - phi_3, wrapped. */
  sum: number;
}

/** Phases of all neurons whose FVE is at least `threshold`. */
export function neuronPhases({ neuronHat, wlHat, acts }: Prepared, neurons: NeuronSummary, threshold: number): Phases3[] {
  const n = acts.dMlp;
  const clustered = neurons.fve.flatMap((fve, i) => (fve >= threshold ? [i] : []));
  return clustered.map((neuron) => {
    const frequency = neurons.frequency[neuron] as number;
    const first = phaseAt(neuronHat.a, frequency, neuron, n);
    const second = phaseAt(neuronHat.b, frequency, neuron, n);
    const output = phaseAt(wlHat, frequency, neuron, n);
    return { neuron, frequency, first, second, output, sum: wrap(first + second - output) };
  });
}

/** phi of A cos(w t + phi): its cos coefficient is A cos phi, its sin coefficient -A sin phi. */
function phaseAt(hat: Float64Array, k: number, column: number, n: number): number {
  return Math.atan2(-hat[2 * k * n + column], hat[(2 * k - 1) * n + column]);
}

const wrap = (angle: number): number => Math.atan2(Math.sin(angle), Math.cos(angle));

/** Summarises phases and inverse participation ratios. */
export function summarisePhases(prepared: Prepared, neurons: NeuronSummary, threshold: number): NeuronPhases {
  const phases = neuronPhases(prepared, neurons, threshold);
  const sums = resultant(phases.map(({ sum }) => sum));
  const live = neurons.frequency.flatMap((k, i) => (k > 0 ? [i] : []));
  const ipr = (hat: Float64Array): number => mean(live.map((i) => inverseParticipation(hat, i, prepared.p, prepared.acts.dMlp)));
  return {
    neurons: phases.length,
    resultant: sums.length,
    mean: sums.angle,
    input_resultant: clusterResultant(phases),
    ipr_input: ipr(prepared.neuronHat.a),
    ipr_output: ipr(prepared.wlHat),
  };
}

/** Mean of e^(i angle): its length (1 all equal, 0 spread evenly) and direction. */
function resultant(angles: readonly number[]): { length: number; angle: number } {
  const re = mean(angles.map(Math.cos));
  const im = mean(angles.map(Math.sin));
  return { length: Math.hypot(re, im), angle: Math.atan2(im, re) };
}

/** Resultant of the first phase within each cluster, averaged over neurons. */
function clusterResultant(phases: readonly Phases3[]): number {
  const clusters = [...new Set(phases.map(({ frequency }) => frequency))].map((k) => phases.filter(({ frequency }) => frequency === k));
  const weighted = clusters.reduce((sum, cluster) => sum + cluster.length * resultant(cluster.map(({ first }) => first)).length, 0);
  return ratio(weighted, phases.length);
}

/** IPR = sum_f x_f^4 / (sum_f x_f^2)^2 of one column's non-constant rows: about 1 over the number of active modes. */
function inverseParticipation(hat: Float64Array, column: number, p: number, n: number): number {
  let [second, fourth] = [0, 0];
  for (let row = 1; row < p; row++) {
    const power = hat[row * n + column] ** 2;
    second += power;
    fourth += power * power;
  }
  return ratio(fourth, second * second);
}
