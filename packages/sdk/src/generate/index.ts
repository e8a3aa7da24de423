/** Text generation. */
export { type AttentionOptions, attentionSvg, attentionText } from "./attention.ts";
export { joinCaptures } from "./captures.ts";
export { chat, generate } from "./generate.ts";
export type { FinishReason, GenerateHook, GenerateHookFn, GenerateHookPoint, GenerateOptions, Span, Step, TokenLogprob } from "./options.ts";
