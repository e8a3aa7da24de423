/** What `console.log` shows of models and caches in Node: what they are, not their insides. */
import type { Tensor } from "../tensor/index.ts";
import type { Model } from "./model.ts";

/** Makes Node's `console.log` show text. Set from outside because a computed member name cannot be declared under isolatedDeclarations. */
export function shownAs<T extends object>(prototype: T, text: (self: T) => string): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: T): string {
      return text(this);
    },
  });
}

/** A model in one line. */
export function modelText({ config: c, checkpoint, layers, siteNames }: Model): string {
  if (!c) return `Model of a Spec: ${siteNames.length} activations`;
  const from = checkpoint
    ? `${checkpoint.architecture} from ${checkpoint.source}, ${checkpoint.bitsPerWeight.toFixed(2)} bits a weight`
    : c.quantizer;
  return `Model (${from}): ${layers} layers, d_model ${c.dModel}, ${c.nHeads} heads of ${c.dHead}, ${c.dVocab} tokens, context ${c.nCtx}`;
}

/** The activations of a cache with their shapes, those of all layers in one line. */
export function cacheText(entries: readonly (readonly [string, Tensor])[], bytes: number): string {
  const lines = new Map<string, number>();
  for (const [name, { shape, axes }] of entries) {
    const sizes = axes.map((axis, i) => `${axis} ${shape[i]}`).join(", ");
    const line = `  ${name.replace(/^blocks\.\d+\./, "blocks.*.")} [${sizes}]`;
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  const rows = [...lines].map(([line, count]) => (count > 1 ? `${line} x ${count}` : line));
  return [`ActivationCache: ${entries.length} activations, ${(bytes / 1e6).toFixed(2)} MB`, ...rows].join("\n");
}
