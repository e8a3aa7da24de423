/** Text generation. */
export { chat, Generation, generate } from "./generate.ts";
export type { FinishReason, GenerateHook, GenerateHookFn, GenerateHookPoint, GenerateOptions, Step, TokenLogprob } from "./options.ts";
