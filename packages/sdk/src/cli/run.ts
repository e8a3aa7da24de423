/** `tritlens run`: text from a model, with hooks, edits and captures along the way. */
import { loadCore, TritlensError } from "../core/index.ts";
import type { GenerateHook, GenerateOptions, Step } from "../generate/index.ts";
import { Model } from "../hooks/index.ts";
import type { LoadProgress } from "../io/index.ts";
import { applyChatTemplate, toTokens } from "../tokenizer/index.ts";
import { EXIT, printable } from "./exit.ts";
import { parseHook } from "./run-hooks.ts";
import { type Outcome, rate, report, type Wanted } from "./run-report.ts";
import { type Output, Screen } from "./screen.ts";
import { stopOnSignals } from "./signals.ts";
import { bar } from "./text.ts";

/** Options of the command. */
export interface RunOptions extends Pick<GenerateOptions, "maxTokens" | "temperature" | "topK" | "topP" | "seed" | "stop"> {
  prompt?: string;
  tokens?: number[];
  chat?: boolean;
  stream?: boolean;
  hooks?: string[];
  capture?: string[];
  save?: string;
  attention?: string;
  svg?: string;
  json?: boolean;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** Streams of the command. */
interface Streams {
  readonly out: Output;
  readonly err: Output;
}

/** What is to be done, checked. */
interface Work {
  readonly options: RunOptions;
  readonly hooks: readonly GenerateHook[];
  readonly wanted: Wanted;
  readonly signal: AbortSignal;
}

/** Runs the command. @throws What loading and generating throw. */
export async function runRun(path: string, options: RunOptions, streams: Streams): Promise<number> {
  const screen = new Screen(streams.err);
  const hooks = (options.hooks ?? []).map((text) => parseHook(text, (line) => screen.print(printable(line))));
  const wanted = check(options);
  const stop = stopOnSignals(() => streams.err.write("\nStopping. Once more to quit at once.\n"));
  const work: Work = { options, hooks, wanted, signal: stop.signal };
  let model: Model | undefined;
  try {
    model = await load(path, work, screen);
    const outcome = await write(model, work, streams, screen);
    await report(model, outcome, wanted, streams);
    return outcome.stopped ? stop.code || EXIT.interrupted : EXIT.ok;
  } finally {
    stop.dispose();
    screen.clear();
    model?.dispose();
  }
}

function check(options: RunOptions): Wanted {
  const refuse = (what: string, expected: string, found: string): never => {
    throw new TritlensError("E_RANGE", what, { expected, found });
  };
  if ((options.prompt === undefined) === (options.tokens === undefined)) {
    refuse("one prompt is needed", "--prompt or --tokens", options.prompt === undefined ? "none" : "both");
  }
  if (options.chat && options.prompt === undefined) refuse("--chat needs text", "--prompt", "--tokens");
  if (options.save !== undefined && !options.capture?.length) refuse("--save needs something to save", "--capture NAME", "none");
  if (options.svg !== undefined && options.attention === undefined) refuse("--svg needs a head", "--attention LAYER.HEAD", "none");
  const head = options.attention === undefined ? undefined : /^(\d+)\.(\d+)$/.exec(options.attention);
  if (head === null) return refuse("wrong value of --attention", "LAYER.HEAD, as 3.5", String(options.attention));
  return {
    json: options.json ?? false,
    capture: options.capture ?? [],
    ...(head ? { head: { name: `blocks.${Number(head[1])}.attn.hook_pattern`, head: Number(head[2]) } } : {}),
    ...pick(options, ["save", "svg"]),
  };
}

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): { [P in K]?: NonNullable<T[P]> } {
  const given = keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]);
  return Object.fromEntries(given) as { [P in K]?: NonNullable<T[P]> };
}

async function load(path: string, { options, signal }: Work, screen: Screen): Promise<Model> {
  const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
  if (options.threads !== undefined) core.setThreads(options.threads);
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const onProgress = ({ status, loaded, total }: LoadProgress): void => {
    if (status !== "progress_total") return;
    const left = loaded > 0 && seconds() > 0.5 ? `, ${((seconds() / loaded) * (total - loaded)).toFixed(0)} s left` : "";
    screen.block(() => [`loading ▕${bar(loaded / total, 30)}▏ ${megabytes(loaded)} / ${megabytes(total)}${left}`]);
  };
  const model = await Model.fromPretrained(path, { core, signal, onProgress });
  screen.print(screen.dim(`loaded in ${seconds().toFixed(2)} s, ${core.backend} core, ${core.info().threads} threads`));
  return model;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** Generates, and shows what comes. Ctrl-C ends it with what there is. */
async function write(model: Model, work: Work, { out, err }: Streams, screen: Screen): Promise<Outcome> {
  const { options, signal, wanted } = work;
  const streaming = !wanted.json && (options.stream ?? out.isTTY === true);
  // A line that is drawn over itself would go through the text on the same terminal.
  const live = !(streaming && out.isTTY && err.isTTY);
  const prompt = await promptOf(model, options);
  const steps: Step[] = [];
  const began = performance.now();
  let [first, stopped] = [0, false];
  const seconds = (): number => (performance.now() - began) / 1000;
  try {
    for await (const step of model.generate(prompt, {
      ...how(work),
      onPrompt: ({ done, total }) => screen.block(() => [`prompt ${done} / ${total} tokens`]),
    })) {
      if (steps.push(step) === 1) {
        first = seconds();
        screen.clear();
      }
      if (streaming) out.write(shown(model, [step]));
      else if (live) screen.block(() => [`${steps.length} tokens, ${rate(steps.length - 1, seconds() - first)}`]);
    }
  } catch (error) {
    if (!signal.aborted || !(error instanceof TritlensError) || error.code !== "E_ABORTED") throw error;
    stopped = true;
  }
  const outcome = { prompt, steps, promptSeconds: first, seconds: seconds() - first, stopped };
  screen.clear();
  if (!wanted.json) out.write(streaming ? "\n" : `${shown(model, steps)}\n`);
  return outcome;
}

/** Text, or ids where there is no tokenizer. */
function shown(model: Model, steps: readonly Step[]): string {
  return model.tokenizer ? printable(steps.map((s) => s.text).join("")) : steps.map((s) => `${s.token} `).join("");
}

async function promptOf(model: Model, { tokens, prompt = "", chat }: RunOptions): Promise<number[]> {
  if (tokens) return tokens;
  if (!chat) return toTokens(model, prompt);
  return toTokens(model, await applyChatTemplate(model, [{ role: "user", content: prompt }]), { addSpecialTokens: false });
}

function how({ options, hooks, wanted, signal }: Work): GenerateOptions {
  const names = [...wanted.capture, ...(wanted.head ? [wanted.head.name] : [])];
  return {
    signal,
    hooks,
    ...(names.length > 0 ? { names } : {}),
    ...pick(options, ["maxTokens", "temperature", "topK", "topP", "seed", "stop"]),
  };
}
