/** Chat templates. They are programs from a file: parsed and run only by the functions here, by `@huggingface/jinja`, with a bound on the work they may do. */
import { TritlensError } from "../core/errors.ts";
import type { Tokenizer } from "./types.ts";
import { type HasTokenizer, tokenizerOf } from "./verbs.ts";

/** One turn of a conversation. Templates may use other keys as well (`tool_calls`, ...). */
export interface ChatMessage {
  /** `system`, `user`, `assistant` or `tool`, as the template knows them. */
  readonly role: string;
  /** What was said. */
  readonly content: unknown;
  readonly [key: string]: unknown;
}

/** Options of {@link applyChatTemplate}. */
export interface ChatOptions {
  /** End with the beginning of the assistant's turn. True when left out, because the text is usually generated from. */
  readonly addGenerationPrompt?: boolean;
  /** Tools that the template may describe to the model (JSON schemas). */
  readonly tools?: readonly unknown[];
  /** A template to use instead of the checkpoint's. */
  readonly template?: string;
  /** More variables for the template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Expressions and statements that one rendering may evaluate: real templates need some hundreds a message. */
const MAX_WORK = 500_000;
/** Elements of a `range()`. */
const MAX_RANGE = 10_000;
/** Characters of a template. The longest in use have about 20,000. */
const MAX_TEMPLATE = 1 << 18;

/**
 * Writes a conversation as the text that the model was trained on.
 *
 * @example
 * ```ts
 * const text = await applyChatTemplate(model, [{ role: "user", content: "Name three primes." }]);
 * for await (const step of model.generate(model.tokenizer.encode(text, { addSpecialTokens: false }))) process.stdout.write(step.text);
 * ```
 *
 * @returns The text; encode it with `addSpecialTokens: false`, since templates write special tokens themselves.
 * @throws E_MODE when there is no template, E_FORMAT when it is malformed, refuses the messages (its own words are then in the message) or does too much work.
 */
export async function applyChatTemplate(source: HasTokenizer, messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<string> {
  const tokenizer = tokenizerOf(source);
  const template = options.template ?? tokenizer.chatTemplate;
  if (template === undefined) {
    throw new TritlensError("E_MODE", "the checkpoint has no chat template", { expected: "the option template, or a prompt", found: "messages" });
  }
  if (template.length > MAX_TEMPLATE) {
    throw new TritlensError("E_FORMAT", "the chat template is too long", {
      expected: `at most ${MAX_TEMPLATE} characters`,
      found: String(template.length),
    });
  }
  const jinja = await import("@huggingface/jinja");
  try {
    const program = jinja.parse(jinja.tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    const environment = new jinja.Environment();
    for (const [name, value] of variables(tokenizer, messages, options)) environment.set(name, value);
    return String(bounded(new jinja.Interpreter(environment)).run(program).value);
  } catch (cause) {
    throw new TritlensError("E_FORMAT", `the chat template failed: ${(cause as Error).message}`, { cause });
  }
}

/** Counts what the interpreter evaluates: a template must not be able to hang the program. */
function bounded<T extends { evaluate: (...args: never[]) => unknown }>(interpreter: T): T {
  const evaluate = interpreter.evaluate.bind(interpreter) as (...args: never[]) => unknown;
  let work = 0;
  interpreter.evaluate = (...args: never[]): unknown => {
    if (++work > MAX_WORK) throw new Error(`it does not end after ${MAX_WORK} evaluations`);
    return evaluate(...args);
  };
  return interpreter;
}

/** Globals of the Hugging Face environment, then ours and the caller's. */
function variables(tokenizer: Tokenizer, messages: readonly ChatMessage[], options: ChatOptions): Map<string, unknown> {
  const spelled = (id: number | undefined): string | undefined => (id === undefined ? undefined : tokenizer.token(id));
  const { bos, eos, unknown, pad } = tokenizer.special;
  const tokens = { bos_token: spelled(bos), eos_token: spelled(eos), unk_token: spelled(unknown), pad_token: spelled(pad) };
  const all: [string, unknown][] = [
    ...[true, false].flatMap((value) => [String(value), value ? "True" : "False"].map((name): [string, unknown] => [name, value])),
    ["none", null],
    ["None", null],
    ["raise_exception", refuse],
    ["range", range],
    ["strftime_now", strftimeNow],
    ...Object.entries(tokens).filter(([, text]) => text !== undefined),
    ["messages", messages],
    ["tools", options.tools ?? null],
    ["add_generation_prompt", options.addGenerationPrompt ?? true],
    ...Object.entries(options.variables ?? {}),
  ];
  return new Map(all);
}

function refuse(message: unknown): never {
  throw new Error(String(message));
}

/** Python's range. */
function range(from: number, to?: number, step = 1): number[] {
  const [lo, hi] = to === undefined ? [0, from] : [from, to];
  const length = Math.max(0, Math.ceil((hi - lo) / step));
  if (!(length <= MAX_RANGE)) throw new Error(`range() of more than ${MAX_RANGE} elements`);
  return Array.from({ length }, (_, i) => lo + i * step);
}

/** The part of Python's strftime that templates use, in English and local time. */
function strftimeNow(format: string): string {
  const now = new Date();
  const two = (n: number): string => String(n).padStart(2, "0");
  const name = (options: Intl.DateTimeFormatOptions): string => now.toLocaleDateString("en", options);
  const parts: ReadonlyMap<string, () => string> = new Map([
    ["Y", () => String(now.getFullYear())],
    ["y", () => two(now.getFullYear() % 100)],
    ["m", () => two(now.getMonth() + 1)],
    ["d", () => two(now.getDate())],
    ["H", () => two(now.getHours())],
    ["M", () => two(now.getMinutes())],
    ["S", () => two(now.getSeconds())],
    ["B", () => name({ month: "long" })],
    ["b", () => name({ month: "short" })],
    ["A", () => name({ weekday: "long" })],
    ["a", () => name({ weekday: "short" })],
    ["%", () => "%"],
  ]);
  return format.replace(/%(.)/g, (all, key: string) => parts.get(key)?.() ?? all);
}
