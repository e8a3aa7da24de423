/** Small drawings in text; they lie in core, because results print themselves with them, too. */
export * from "../core/text.ts";
