/** The few numbers of a run that the rules judge. */
import type { RunResult } from "./results.ts";
import type { JudgedRun, RunNumbers } from "./verdict/index.ts";

/** Takes them out of a run's result; what a run does not have is null. */
export function judged(run: RunResult, p: number): JudgedRun {
  return { mode: run.mode, seed: run.seed, numbers: { ...base(run, p), ...(run.analysis === null ? {} : analysed(run.analysis)) } };
}

function base(run: RunResult, p: number): RunNumbers {
  return {
    status: run.status,
    p,
    grokEpoch: run.grok_epoch,
    historyKnown: run.curves.epoch.length > 0,
    testAccuracy: run.analysis?.test_accuracy ?? (run.status === "done" ? (run.curves.test_accuracy.at(-1) ?? null) : null),
    trainLoss: run.curves.train_loss.at(-1) ?? null,
    keyFrequencies: [],
    logitFve: null,
    restrictedLoss: null,
    excludedLoss: null,
    liveNeurons: 0,
    clusteredNeurons: 0,
    symmetricity: null,
    irrelevance: null,
    attentionStd: null,
  };
}

function analysed(a: NonNullable<RunResult["analysis"]>): Partial<RunNumbers> {
  return {
    trainLoss: a.train_loss,
    keyFrequencies: a.key_frequencies,
    logitFve: a.logit_fve_key,
    restrictedLoss: a.restricted_loss.all,
    excludedLoss: a.excluded_loss.train,
    liveNeurons: a.neurons.alive,
    clusteredNeurons: a.neurons.fve_ge_085,
    symmetricity: a.gradient_symmetricity,
    irrelevance: a.distance_irrelevance,
    attentionStd: a.attention.length === 0 ? null : Math.max(...a.attention.map((h) => h.pattern_std)),
  };
}
