/**
 * tritlens: train, run and see inside 1-bit and 1.58-bit networks, in Node and in the browser.
 *
 * @packageDocumentation
 */
export * from "./checkpoint/index.ts";
export * from "./compare/index.ts";
export * from "./convert/index.ts";
export * from "./core/index.ts";
export * from "./generate/index.ts";
export * from "./hooks/index.ts";
export * from "./io/index.ts";
export * from "./models/index.ts";
export * from "./packed/index.ts";
export * from "./spec/index.ts";
export * from "./tensor/index.ts";
export * from "./tokenizer/index.ts";
export * from "./train/index.ts";
