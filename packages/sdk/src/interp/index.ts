/**
 * Analyses. Each is a small function over typed arrays in a file of its own, so that one can be copied out and changed.
 *
 * @module
 */
export * from "./modadd/index.ts";
