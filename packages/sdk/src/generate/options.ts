/** What `generate` takes and gives. */
import { TritlensError } from "../core/errors.ts";
import type { ActivationCache, Edit, HookPoint, HookResult, NameFilter, Session } from "../hooks/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** Positions of a text, counted from its beginning. */
export interface Span {
  /** The first one. */
  readonly from: number;
  /** One past the last one. */
  readonly to: number;
}

/** Where a hook was called inside of a generation, and the positions whose activations it sees. */
export interface GenerateHookPoint extends HookPoint, Span {}

/** A hook of a generation; it may be asynchronous. */
export type GenerateHookFn = (value: Tensor, hook: GenerateHookPoint) => HookResult | Promise<HookResult>;

/**
 * A hook of a generation: where, and a function or an edit. Positions in an edit's `at` (`pos`, `query`, `key`) count from the beginning of the text, and it
 * happens in the run that reaches them. A value of one position's size is used at every position.
 */
export type GenerateHook = readonly [where: NameFilter, action: GenerateHookFn | Edit];

/** Options of {@link generate}. */
export interface GenerateOptions {
  /** Most tokens to generate (128). Generation also ends where the model's context does. */
  readonly maxTokens?: number;
  /** Divides the logits; 0 (the default) always takes the most likely token, the lowest id of equals. */
  readonly temperature?: number;
  /** Only the k most likely tokens can be drawn. */
  readonly topK?: number;
  /** Only the most likely tokens that together have this probability can be drawn, after `temperature` and `topK`. */
  readonly topP?: number;
  /** Seed of the drawing (0). The draw of a position depends on the seed and the position alone, on every backend. */
  readonly seed?: number;
  /** Text before which generation ends; it is not part of the output. It may lie across tokens. */
  readonly stop?: string | readonly string[];
  /** Tokens with which generation ends; those that the checkpoint names when left out, `[]` for none. */
  readonly stopTokens?: readonly number[];
  /** Hooks and edits, for the prompt and every token. They end with the generation. */
  readonly hooks?: readonly GenerateHook[];
  /** Activations that each step keeps. The first step has those of the whole prompt. */
  readonly names?: NameFilter;
  /** How many of the most likely tokens each step lists. */
  readonly logprobs?: number;
  /** Stops between tokens, between chunks of the prompt, and inside of them, with E_ABORTED. Model and session stay usable. */
  readonly signal?: AbortSignal;
  /**
   * Goes on in this session instead of a new one, which is not disposed at the end: what it holds of the beginning of the prompt is not computed again. Hooks
   * and captures therefore see the rest only.
   */
  readonly session?: Session;
  /** Positions of the prompt that are computed together (512). */
  readonly promptChunk?: number;
  /** Refuse with E_MEMORY, before anything is computed, when keys, values, activations and captures would take more bytes (see `model.plan`). */
  readonly budgetBytes?: number;
  /** Called after every chunk of the prompt. */
  readonly onPrompt?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** Why a generation ended: `maxTokens`, an end token, a stop text, or the end of the context. */
export type FinishReason = "length" | "end" | "stop" | "context";

/** A likely token. */
export interface TokenLogprob {
  /** Its id. */
  readonly token: number;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** Its text, when the model has a tokenizer. */
  readonly text: string;
}

/** One generated token. */
export interface Step {
  /** Its id. */
  readonly token: number;
  /** The text that has become certain with it: whole characters, nothing that may yet turn out to be a stop text. Empty without a tokenizer. */
  readonly text: string;
  /** Natural logarithm of the probability that the model gave it, before temperature and filters. */
  readonly logprob: number;
  /** The most likely tokens here, best first; as many as `logprobs` asked for. */
  readonly logprobs: readonly TokenLogprob[];
  /** Its position in the text. */
  readonly position: number;
  /**
   * The activations that `names` asked for, of the run that led to this token: in the first step [1, positions of the prompt, ...], then [1, 1, ...]. The token
   * itself has not been run yet; its activations come with the next step.
   */
  readonly cache: ActivationCache;
  /** The positions that `cache` covers. */
  readonly ran: Span;
  /** Whether this is the last one. */
  readonly done: boolean;
  /** Why it is the last one. */
  readonly finishReason?: FinishReason;
}

/** Options with every default filled in. */
export interface Settled extends Omit<GenerateOptions, "stop"> {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number;
  readonly stop: readonly string[];
  readonly logprobs: number;
  readonly promptChunk: number;
}

/** Checks options and fills in defaults. @throws E_RANGE. */
export function settle(options: GenerateOptions): Settled {
  const { maxTokens = 128, temperature = 0, topK, topP, seed = 0, stop = [], logprobs = 0, promptChunk = 512, stopTokens } = options;
  const stops = typeof stop === "string" ? [stop] : stop;
  check("maxTokens", maxTokens, count(maxTokens), "an integer of at least 1");
  check("temperature", temperature, temperature >= 0 && temperature < Number.POSITIVE_INFINITY, "a number of at least 0");
  check("topK", topK, topK === undefined || count(topK), "an integer of at least 1");
  check("topP", topP, topP === undefined || (topP > 0 && topP <= 1), "a number in (0, 1]");
  check("seed", seed, Number.isSafeInteger(seed) && seed >= 0, "an integer in [0, 2^53)");
  check("logprobs", logprobs, logprobs === 0 || count(logprobs), "an integer of at least 0");
  check("promptChunk", promptChunk, count(promptChunk), "an integer of at least 1");
  check("stop", stops, Array.isArray(stops) && stops.every((s) => typeof s === "string" && s !== ""), "text that is not empty, or a list of it");
  check("stopTokens", stopTokens, stopTokens === undefined || stopTokens.every((t) => Number.isInteger(t) && t >= 0), "token ids");
  return { ...options, maxTokens, temperature, seed, stop: stops, logprobs, promptChunk };
}

function count(x: number): boolean {
  return Number.isSafeInteger(x) && x >= 1;
}

function check(name: string, value: unknown, good: boolean, expected: string): void {
  if (!good) throw new TritlensError("E_RANGE", `wrong value of ${name}`, { expected, found: String(value) });
}
