/** What `tritlens run` says and writes at the end. */
import { pathToFileURL } from "node:url";
import { attentionSvg, attentionText, joinCaptures, type Step } from "../generate/index.ts";
import { type ActivationCache, type Model, selectSites } from "../hooks/index.ts";
import { serializeSafetensors, writeFileAtomic } from "../io/index.ts";
import { Tensor, type TensorData } from "../tensor/index.ts";
import { toStrTokens } from "../tokenizer/index.ts";
import { printable } from "./exit.ts";
import type { Output } from "./screen.ts";
import { integer } from "./text.ts";

/** What happened. */
export interface Outcome {
  readonly prompt: readonly number[];
  readonly steps: readonly Step[];
  /** Seconds until the first token. */
  readonly promptSeconds: number;
  /** Seconds from then on. */
  readonly seconds: number;
  /** Ctrl-C came. */
  readonly stopped: boolean;
}

/** What is wanted beside the text. */
export interface Wanted {
  readonly json: boolean;
  readonly capture: readonly string[];
  readonly save?: string;
  /** A pattern's name and a head of it. */
  readonly head?: { readonly name: string; readonly head: number };
  readonly svg?: string;
}

/** Speed, pictures, files. @throws E_IO. */
export async function report(model: Model, outcome: Outcome, wanted: Wanted, { out, err }: { out: Output; err: Output }): Promise<void> {
  const { prompt, steps, promptSeconds, seconds, stopped } = outcome;
  const reason = stopped ? "interrupt" : (steps.at(-1)?.finishReason ?? "interrupt");
  if (wanted.json) out.write(`${JSON.stringify(facts(model, outcome, reason))}\n`);
  if (steps.length === 0) return;
  const generated = `${integer(steps.length)} generated${steps.length > 1 ? ` (${rate(steps.length - 1, seconds)})` : ""}`;
  err.write(`${integer(prompt.length)} prompt tokens (${rate(prompt.length, promptSeconds)}), ${generated}, ended by ${reason}\n`);
  const cache = joinCaptures(steps.map((s) => s.cache));
  // The last token was not run, so nothing of it was captured.
  const ids = [...prompt, ...steps.slice(0, -1).map((s) => s.token)];
  if (wanted.head) await showHead(cache, labels(model, ids), { ...wanted, ...wanted.head }, { out, err });
  if (wanted.save === undefined) return;
  await writeFileAtomic(wanted.save, captures(cache, wanted.capture, ids));
  err.write(`captures  ${pathToFileURL(wanted.save).href}\n`);
}

/** Tokens a second. */
export function rate(tokens: number, seconds: number): string {
  return seconds > 0 ? `${(tokens / seconds).toFixed(1)} tokens/s` : "- tokens/s";
}

function facts(model: Model, { prompt, steps, promptSeconds, seconds }: Outcome, reason: string): object {
  return {
    text: steps.map((s) => s.text).join(""),
    tokens: steps.map((s) => s.token),
    logprobs: steps.map((s) => s.logprob),
    finish_reason: reason,
    prompt_tokens: prompt,
    prompt_seconds: promptSeconds,
    generation_seconds: seconds,
    backend: model.core.backend,
    threads: model.core.info().threads,
  };
}

function labels(model: Model, ids: readonly number[]): string[] {
  return model.tokenizer ? toStrTokens(model, ids) : ids.map(String);
}

async function showHead(
  cache: ActivationCache,
  tokens: string[],
  { name, head, svg }: { name: string; head: number; svg?: string },
  { out, err }: { out: Output; err: Output },
): Promise<void> {
  const pattern = cache.get(name);
  out.write(`\n${printable(attentionText(pattern, tokens, { head }))}\n`);
  if (svg === undefined) return;
  await writeFileAtomic(svg, new TextEncoder().encode(`${attentionSvg(pattern, tokens, { head })}\n`));
  err.write(`picture  ${pathToFileURL(svg).href}\n`);
}

/** Activations by name, and the `tokens` they belong to, [1, pos]. */
function captures(cache: ActivationCache, names: readonly string[], ids: readonly number[]): Uint8Array {
  const all = cache.entries();
  const chosen = selectSites(names, cache.keys()).map((i) => all[i] as [string, Tensor]);
  const tokens: Tensor<TensorData> = Tensor.from(Int32Array.from(ids), [1, ids.length], ["batch", "pos"]);
  return serializeSafetensors([...chosen, ["tokens", tokens]]);
}
