/** Text generation as a stream of steps, with hooks and captures inside of the cached runs. */
import { TritlensError } from "../core/errors.ts";
import { lazyGeneration } from "../hooks/generation.ts";
import type { ActivationCache, Generation, Model, Session, Tokens } from "../hooks/index.ts";
import { type NameFilter, requireBudget, toTokenRows } from "../hooks/index.ts";
import type { HookPlace } from "../hooks/space.ts";
import type { Tensor } from "../tensor/index.ts";
import { applyChatTemplate, type ChatMessage, type ChatOptions, type TextStream, tokenizerOf, toTokens } from "../tokenizer/index.ts";
import { giveWay } from "../train/pace.ts";
import { joinCaptures } from "./captures.ts";
import { type FinishReason, type GenerateOptions, type Settled, type Step, settle } from "./options.ts";
import { PlacedHooks } from "./place.ts";
import { chooseToken, largest, logSumExp } from "./sample.ts";
import { StopText } from "./stop.ts";

/** Streams of the core's random numbers that belong to drawing tokens: one a position. */
const DRAWS = 2 ** 40;

/**
 * Generates from a prompt, one token a step. Greedy unless a `temperature` is given. Hooks, edits and captures work as in `runWithHooks` and `runWithCache`,
 * inside of every cached run.
 *
 * @example
 * ```ts
 * for await (const step of generate(model, "The capital of France is", { maxTokens: 20, names: "blocks.3.attn.hook_pattern" })) {
 *   process.stdout.write(step.text);
 *   step.cache.get("blocks.3.attn.hook_pattern");   // [1, head, query, key]
 * }
 * const text = await generate(model, "Once", { temperature: 0.8, topP: 0.95, seed: 1 }).text();
 * ```
 *
 * @param prompt - Text (for a model with a tokenizer) or token ids.
 * @throws While iterating: E_RANGE for wrong options, an empty prompt, one that is longer than the context, and ids outside of the vocabulary; E_MODE for text
 * (as prompt or `stop`) without a tokenizer; E_NAME for wrong names; E_ABORTED after the signal; E_NONFINITE when the logits are no numbers; and what a hook throws. The model
 * stays usable after each.
 */
export function generate(model: Model, prompt: string | Tokens, options: GenerateOptions = {}): Generation {
  return lazyGeneration(async () => steps(model, async () => (typeof prompt === "string" ? toTokens(model, prompt) : oneRow(prompt)), options));
}

/** Generates the answer of a conversation, with the checkpoint's chat template. @throws As {@link generate} and `applyChatTemplate`. */
export function chat(model: Model, messages: readonly ChatMessage[], options: GenerateOptions & ChatOptions = {}): Generation {
  const prompt = async (): Promise<number[]> => toTokens(model, await applyChatTemplate(model, messages, options), { addSpecialTokens: false });
  return lazyGeneration(async () => steps(model, prompt, options));
}

function oneRow(tokens: Tokens): number[] {
  const isEmpty = Array.isArray(tokens) && tokens.length === 0;
  const rows = isEmpty ? { data: [], batch: 1 } : toTokenRows(tokens);
  if (rows.batch === 1) return Array.from(rows.data);
  throw new TritlensError("E_SHAPE", "generation takes one prompt", { expected: "[1, pos]", found: `${rows.batch} rows` });
}

function checkPrompt(model: Model, prompt: readonly number[], room: number): void {
  const { vocab, ctx } = model.spec;
  if (prompt.length === 0) throw new TritlensError("E_RANGE", "the prompt is empty", { expected: "at least one token", found: "none" });
  const most = Math.min(ctx, room);
  if (prompt.length > most) {
    const what = room < ctx ? "session" : "context";
    throw new TritlensError("E_RANGE", `the prompt is longer than the ${what}`, { expected: `at most ${most} tokens`, found: String(prompt.length) });
  }
  const wrong = prompt.findIndex((id) => id >= vocab);
  if (wrong >= 0) {
    throw new TritlensError("E_RANGE", `token ${wrong} of the prompt is outside of the vocabulary`, {
      expected: `an id below ${vocab}`,
      found: String(prompt[wrong]),
    });
  }
}

async function* steps(model: Model, promptOf: () => Promise<number[]>, given: GenerateOptions): AsyncGenerator<Step, void, undefined> {
  const options = settle(given);
  const { space } = model.cacheSource;
  const hooks = new PlacedHooks(options.hooks ?? [], (where) => space.select(where).map((place) => place.site));
  const names = options.names === undefined ? undefined : chosen(space.select(options.names));
  if (options.stop.length > 0) tokenizerOf(model);
  throwIfAborted(options.signal);
  const prompt = await promptOf();
  checkPrompt(model, prompt, options.session?.capacity ?? Number.POSITIVE_INFINITY);
  if (options.session && options.session.batch !== 1) {
    throw new TritlensError("E_SHAPE", "generation takes a session of one text", { expected: "batch 1", found: `batch ${options.session.batch}` });
  }
  const capacity = Math.min(model.spec.ctx, prompt.length + options.maxTokens - 1);
  if (options.budgetBytes !== undefined)
    requireBudget("the generation", memoryOf(model, prompt.length, capacity, options, names), options.budgetBytes);
  const session = options.session ?? model.openSession({ capacity, batch: 1 });
  try {
    yield* run(new Writer(model, session, hooks, { ...options, ...(names ? { names } : {}) }), prompt, options);
  } finally {
    if (!options.session) session.dispose();
  }
}

/** Bytes beside the weights: keys and values, the activations of a chunk of the prompt, and what is kept of all of it. */
function memoryOf(model: Model, prompt: number, capacity: number, { session, promptChunk }: Settled, names: NameFilter | undefined): number {
  const common = { capacity: session?.capacity ?? capacity, lastOnly: true, ...(names ? { names } : {}) };
  const { cache, activations } = model.plan({ ...common, seq: Math.min(prompt, promptChunk) });
  return (session ? 0 : cache) + activations + model.plan({ ...common, seq: prompt }).captures;
}

/** A filter for places, so that names are resolved once instead of in every step. */
function chosen(places: readonly HookPlace[]): NameFilter {
  const kept = new Set(places.flatMap(({ name, virtual }) => (virtual ? [] : [name])));
  const others = places.flatMap(({ name, virtual }) => (virtual ? [name] : []));
  return [...(kept.size > 0 ? [(name: string) => kept.has(name)] : []), ...others];
}

async function* run(writer: Writer, prompt: readonly number[], options: Settled): AsyncGenerator<Step, void, undefined> {
  let run = await writer.prompt(prompt);
  for (let n = 1; ; n++) {
    const step = writer.step(run, n);
    yield step;
    if (step.done) return;
    await giveWay();
    throwIfAborted(options.signal);
    run = await writer.next(step.token);
  }
}

/** What a run gave, and the positions it covered. */
interface Ran {
  readonly from: number;
  readonly logits: Tensor;
  readonly cache: ActivationCache;
}

/** One generation's state. */
class Writer {
  readonly #model: Model;
  readonly #session: Session;
  readonly #hooks: PlacedHooks;
  readonly #options: Settled;
  readonly #ends: ReadonlySet<number>;
  readonly #stops: StopText;
  #text: TextStream | undefined;

  constructor(model: Model, session: Session, hooks: PlacedHooks, options: Settled) {
    this.#model = model;
    this.#session = session;
    this.#hooks = hooks;
    this.#options = options;
    this.#ends = new Set(options.stopTokens ?? model.tokenizer?.special.ends ?? []);
    this.#stops = new StopText(options.stop);
  }

  /** Runs what the session does not hold of the prompt yet. */
  async prompt(prompt: readonly number[]): Promise<Ran> {
    this.#text = this.#model.tokenizer?.stream({ context: prompt });
    const from = this.#resume(prompt);
    const caches: ActivationCache[] = [];
    let ran: Ran | undefined;
    for (let at = from; at < prompt.length; at += this.#options.promptChunk) {
      if (ran) await giveWay();
      throwIfAborted(this.#options.signal);
      ran = await this.#run(prompt.slice(at, at + this.#options.promptChunk));
      caches.push(ran.cache);
      this.#options.onPrompt?.({ done: Math.min(prompt.length, at + this.#options.promptChunk), total: prompt.length });
    }
    return { ...(ran as Ran), from, cache: joinCaptures(caches) };
  }

  next(token: number): Promise<Ran> {
    return this.#run([token]);
  }

  /** Rewinds the session to where it agrees with the prompt; its last token always runs, because its logits are needed. */
  #resume(prompt: readonly number[]): number {
    const session = this.#session;
    const known = session.tokens[0] as readonly number[];
    const most = Math.min(known.length, prompt.length - 1);
    let same = 0;
    while (same < most && known[same] === prompt[same]) same++;
    session.rewind(same);
    return same;
  }

  async #run(tokens: readonly number[]): Promise<Ran> {
    const { names, signal } = this.#options;
    const from = this.#session.length;
    const hooks = this.#hooks.at({ from, to: from + tokens.length });
    const { logits, cache } = await this.#session.runAsync(tokens, {
      lastOnly: true,
      ...(hooks.length > 0 ? { hooks } : {}),
      ...(names === undefined ? {} : { names }),
      ...(signal ? { signal } : {}),
    });
    return { from, logits, cache };
  }

  /** Chooses the token after a run. @param n - Counts the steps, from 1. */
  step({ from, logits: { data }, cache }: Ran, n: number): Step {
    const { seed, logprobs } = this.#options;
    const position = this.#session.length;
    const token = chooseToken(data, this.#options, () => {
      const draw = new Float32Array(1);
      this.#model.core.random(seed, DRAWS + position, 0, draw);
      return draw[0] as number;
    });
    const norm = logSumExp(data);
    const best = logprobs === 0 ? [] : [...largest(data, logprobs)];
    const said = this.#say(token, n, position);
    return {
      token,
      ...said,
      logprob: (data[token] as number) - norm,
      logprobs: best.map((id) => ({ token: id, logprob: (data[id] as number) - norm, text: this.#model.tokenizer?.tokenText(id) ?? "" })),
      position,
      cache,
      ran: { from, to: position },
    };
  }

  /** The text that a token makes certain, and whether it is the last one. */
  #say(token: number, n: number, position: number): Pick<Step, "text" | "done" | "finishReason"> {
    const isEnd = this.#ends.has(token);
    const { text, found } = this.#stops.push(isEnd ? "" : (this.#text?.push(token) ?? ""));
    const finishReason = found ? "stop" : isEnd ? "end" : this.#full(n, position);
    if (finishReason === undefined) return { text, done: false };
    if (found) return { text, done: true, finishReason };
    const last = this.#stops.push(this.#text?.end() ?? "");
    const rest = last.found ? last.text : last.text + this.#stops.end();
    return { text: text + rest, done: true, finishReason: last.found ? "stop" : finishReason };
  }

  #full(n: number, position: number): FinishReason | undefined {
    if (n >= this.#options.maxTokens) return "length";
    return position >= this.#session.capacity ? "context" : undefined;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new TritlensError("E_ABORTED", "the generation was aborted", { cause: signal.reason });
}
