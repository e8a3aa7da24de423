/** Shows an experiment's events. */

import { duration, type ExperimentEvent, judgeCircuit, judged, labMode, type Results, type RunResult } from "../lab/index.ts";
import type { Screen } from "./screen.ts";
import { bar, integer, percent, shortNumber, sparkline, table } from "./text.ts";

/** Seconds between lines where there is no terminal. */
const LINE_EVERY = 10;

/** Turns events into what is on the screen. */
export class ProgressView {
  readonly #screen: Screen;
  #results: Results | null = null;
  #head = "";
  #reported = false;
  #lastLine = Number.NEGATIVE_INFINITY;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Shows one event. */
  show(event: ExperimentEvent): void {
    if (event.type === "start") this.#start(event.results);
    else if (event.type === "run") this.#run(event);
    else if (event.type === "progress") this.#progress(event);
    else if (event.type === "stage") this.#stage(event);
    else if (event.type === "run-end") this.#screen.print(outcome(event.run, this.#results?.task.p ?? 0));
    else if (event.type === "report") this.#report(event.path);
    else this.#end(event.results);
  }

  #report(path: string): void {
    if (!this.#reported) this.#screen.print(this.#screen.dim(`report, kept up to date: ${path}`));
    this.#reported = true;
  }

  #start(results: Results): void {
    this.#results = results;
    const { task: t, environment: e } = results;
    this.#screen.print(`tritlens ${e.tritlens}: ${e.backend} core, ${e.isa}, ${e.threads} ${e.threads === 1 ? "thread" : "threads"}`);
    this.#screen.print(
      `a + b mod ${t.p}, ${integer(t.train_pairs)} pairs to train on, ${integer(t.test_pairs)} to test on; ${results.runs.length} ${results.runs.length === 1 ? "run" : "runs"}`,
    );
    for (const run of results.runs.filter((r) => r.status === "done" || r.status === "diverged"))
      this.#screen.print(`${outcome(run, t.p)} ${this.#screen.dim("(from before)")}`);
  }

  #run({ run, index, total, resumed }: Extract<ExperimentEvent, { type: "run" }>): void {
    this.#head = `[${index + 1}/${total}] ${name(run)}`;
    this.#lastLine = Number.NEGATIVE_INFINITY;
    if (resumed > 0) this.#screen.print(this.#screen.dim(`${name(run)} goes on from epoch ${integer(resumed)}`));
  }

  #progress({ run, held, secondsLeft }: Extract<ExperimentEvent, { type: "progress" }>): void {
    this.#screen.block(() => this.#frame(run, held, secondsLeft));
    if (!this.#screen.live) this.#line(run, secondsLeft);
  }

  #frame(run: RunResult, held: number, secondsLeft: number | null): string[] {
    const c = run.curves;
    const width = Math.max(20, Math.min(60, this.#screen.width - 34));
    const logs = (values: number[]): number[] => values.map((v) => Math.log10(Math.max(v, 1e-12)));
    const holding = held > 0 ? `, held ${integer(held)}` : "";
    return [
      this.#screen.bold(this.#head),
      `▕${bar(run.epochs / run.max_epochs, width)}▏ ${integer(run.epochs)} / ${integer(run.max_epochs)}${secondsLeft === null ? "" : `, ${duration(secondsLeft)} at most`}`,
      `train ${sparkline(logs(c.train_loss), width).padEnd(width)} ${shortNumber(c.train_loss.at(-1))}`,
      `test  ${sparkline(logs(c.test_loss), width).padEnd(width)} ${shortNumber(c.test_loss.at(-1))}`,
      `right ${sparkline(c.test_accuracy, width, 0, 1).padEnd(width)} ${percent(c.test_accuracy.at(-1))}${holding}`,
    ];
  }

  #line(run: RunResult, secondsLeft: number | null): void {
    const now = performance.now();
    if (now - this.#lastLine < LINE_EVERY * 1000 && run.epochs < run.max_epochs) return;
    this.#lastLine = now;
    const c = run.curves;
    this.#screen.print(
      `${this.#head}  epoch ${integer(run.epochs)}/${integer(run.max_epochs)}  train loss ${shortNumber(c.train_loss.at(-1))}  test loss ${shortNumber(c.test_loss.at(-1))}  test accuracy ${percent(c.test_accuracy.at(-1))}${secondsLeft === null ? "" : `  at most ${duration(secondsLeft)} left`}`,
    );
  }

  #stage({ stage, done, total }: Extract<ExperimentEvent, { type: "stage" }>): void {
    const what = stage === "analysis" ? "taking it apart" : "measuring progress along training";
    this.#screen.block(() => [this.#screen.bold(this.#head), total > 1 ? `▕${bar(done / total, 40)}▏ ${what}, ${done} / ${total}` : `${what} ...`]);
  }

  #end(results: Results): void {
    this.#screen.print("");
    this.#screen.print(verdictText(results));
    this.#screen.print("");
    this.#screen.print(this.#screen.bold(results.verdict.headline));
  }
}

function name(run: RunResult): string {
  return `${labMode(run.mode).title}, seed ${run.seed}`;
}

/** One line on how a run ended. */
export function outcome(run: RunResult, p: number): string {
  const time = duration(run.train_seconds + run.analysis_seconds);
  if (run.error !== null)
    return `${run.status === "stopped" ? "-" : "x"} ${name(run)}: ${run.status} at epoch ${integer(run.epochs)} (${run.error.code}: ${run.error.message})`;
  const keys = run.analysis?.key_frequencies ?? [];
  const grok = run.grok_epoch === null ? `no grokking in ${integer(run.epochs)} epochs` : `groks at ${integer(run.grok_epoch)}`;
  return `✓ ${name(run)}: ${grok}, ${keys.length} key frequencies (${keys.join(" ")}), ${percent(run.analysis?.logit_fve_key)} of logits, ${judgeCircuit(judged(run, p).numbers)}; ${time}`;
}

/** The verdict table in text. */
export function verdictText({ verdict }: Results): string {
  const spread = (s: { mean: number; sd: number | null } | null, format: (x: number) => string): string =>
    s === null ? "-" : s.sd === null ? format(s.mean) : `${format(s.mean)} ± ${format(s.sd)}`;
  const rows = verdict.modes.map((m) => [
    labMode(m.mode).title,
    spread(m.testAccuracy, percent),
    spread(m.grokEpoch, integer),
    spread(m.keyFrequencies, shortKeys),
    spread(m.logitFve, percent),
    spread(m.restrictedLoss, shortNumber),
    spread(m.excludedLoss, shortNumber),
    spread(m.clusteredShare, percent),
    m.clockOrPizza,
    m.seeds > 1 ? `${m.circuit} (${m.agreeing}/${m.seeds})` : m.circuit,
  ]);
  return table(
    [["mode", "accuracy", "groks at", "keys", "logits", "restricted", "excluded", "clusters", "clock/pizza", "circuit"], ...rows],
    [1, 2, 3, 4, 5, 6, 7],
  );
}

function shortKeys(x: number): string {
  return Number.isInteger(x) ? String(x) : x.toFixed(1);
}
