/** `tritlens analyze`: one checkpoint, taken apart. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { loadCore } from "../core/index.ts";
import { Model } from "../hooks/index.ts";
import { type AnalyzedModel, analyzeModAddWithPictures, type KeyFrequencyRule, type ModAddAnalysis } from "../interp/index.ts";
import { judgeCircuit, judgeClock, judged, type OpenedCheckpoint, openCheckpoint, singleResult, writeSingleReport } from "../lab/index.ts";
import { modelFromCheckpoint } from "../train/index.ts";
import { EXIT, printable } from "./exit.ts";
import type { Output } from "./screen.ts";
import { integer, percent, shortNumber, table } from "./text.ts";

/** Options of the command. */
export interface AnalyzeOptions {
  json?: boolean;
  html?: string;
  p?: number;
  mode?: string;
  train?: string;
  keyRule?: KeyFrequencyRule;
  keyThreshold?: number;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** Runs the command. @throws E_IO, E_FORMAT, E_CHECKPOINT, E_SPEC, E_RANGE, E_MODE, E_NAME. */
export async function runAnalyze(path: string, options: AnalyzeOptions, { out, err }: { out: Output; err: Output }): Promise<number> {
  const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
  if (options.threads !== undefined) core.setThreads(options.threads);
  const opened = await openCheckpoint(path, options);
  for (const note of opened.assumed) err.write(`note: ${note}\n`);
  const found = await analyse(opened, options);
  if (options.json) out.write(`${JSON.stringify({ ...found.analysis, ...judgement(opened, found.analysis) }, null, 1)}\n`);
  else out.write(`${printable(summary(path, opened, found.analysis))}\n`);
  if (options.html) {
    await writeSingleReport(options.html, opened, found, core, `tritlens analyze ${path}`);
    err.write(`report  ${pathToFileURL(resolve(options.html)).href}\n`);
  }
  return EXIT.ok;
}

async function analyse({ checkpoint, p, trainIndices, mode }: OpenedCheckpoint, options: AnalyzeOptions): Promise<AnalyzedModel> {
  const model = modelFromCheckpoint(checkpoint);
  const untrained = Model.fromConfig(checkpoint.config, { seed: 0 });
  const rule = {
    ...(options.keyRule === undefined ? {} : { keyFrequencyRule: options.keyRule }),
    ...(options.keyThreshold === undefined ? {} : { keyFrequencyThreshold: options.keyThreshold }),
  };
  try {
    return await analyzeModAddWithPictures(model, { p, trainIndices, mode, untrained, ...rule });
  } finally {
    model.dispose();
    untrained.dispose();
  }
}

function judgement(opened: OpenedCheckpoint, analysis: ModAddAnalysis): { circuit: string; clock_or_pizza: string } {
  const { numbers } = judged(singleResult(opened, analysis), opened.p);
  return { circuit: judgeCircuit(numbers), clock_or_pizza: judgeClock(numbers) };
}

/** The numbers a reader looks for first. */
function summary(path: string, opened: OpenedCheckpoint, a: ModAddAnalysis): string {
  const { circuit, clock_or_pizza } = judgement(opened, a);
  const shares = a.key_frequencies.map((k) => `${k} (${percent(a.logit_share[k])})`).join(", ");
  const clusters = Object.entries(a.neurons.clusters)
    .map(([k, n]) => `${k}:${n}`)
    .join(" ");
  return table([
    ["checkpoint", `${path} (${opened.checkpoint.format}, ${opened.mode}, p = ${a.p}, step ${integer(opened.checkpoint.step)})`],
    ["trained on", `${integer(opened.trainIndices.length)} of ${integer(a.p * a.p)} pairs`],
    ["loss", `train ${shortNumber(a.train_loss)}, test ${shortNumber(a.test_loss)}`],
    ["test accuracy", percent(a.test_accuracy)],
    ["key frequencies", shares === "" ? "none" : shares],
    ["logits explained", percent(a.logit_fve_key)],
    ["restricted loss", shortNumber(a.restricted_loss.all)],
    ["excluded loss", `${shortNumber(a.excluded_loss.train)} (train pairs)`],
    ["neurons", `${a.neurons.fve_ge_085} of ${a.neurons.alive} live ones in clusters: ${clusters === "" ? "none" : clusters}`],
    ["gini", `embedding ${shortNumber(a.embedding_gini)}, neuron-to-logit map ${shortNumber(a.unembed_gini)}`],
    ["symmetricity", `${shortNumber(a.gradient_symmetricity)}, distance irrelevance ${shortNumber(a.distance_irrelevance)}`],
    ["verdict", `${circuit}; clock or pizza: ${clock_or_pizza}`],
  ]);
}
