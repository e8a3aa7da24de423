/** The report of a conversion: what it did to each matrix and to the logits. */
import type { LogitDifference } from "../compare/index.ts";
import { bar, percent, shortNumber, table } from "../core/text.ts";
import type { LayerReport } from "./layer-report.ts";
import type { QuantizePlan } from "./quantize.ts";

/** How matrices were quantised. */
export interface ConvertPlan extends QuantizePlan {
  /** What converted matrices multiply. */
  readonly activations: "f32" | "int8";
}

/** The logits after a conversion against those before. */
export interface ConvertedLogits extends LogitDifference {
  /** Whether the caller gave the tokens. */
  readonly tokens: "given" | "random";
}

/** The numbers of a report, as `JSON.stringify` writes them. */
export interface ConvertReportJson {
  /** Whether weights changed. False only when every matrix had been trained with its quantiser, or was packed already. */
  readonly lossy: boolean;
  /** What that means, in a sentence. */
  readonly warning: string;
  /** How matrices were quantised. */
  readonly options: ConvertPlan;
  /** Matrices that became packed, in the order of the model. */
  readonly layers: readonly LayerReport[];
  /** Matrices of the blocks that stayed as they were. */
  readonly kept: readonly string[];
  /** Weights in `layers`. */
  readonly weights: number;
  /** Bits a weight over `layers`. */
  readonly bitsPerWeight: number;
  /** Bytes of all parameters before and after. */
  readonly bytes: readonly [before: number, after: number];
  /** The logits after against those before; null when they were not compared. */
  readonly logits: ConvertedLogits | null;
  /** How long quantising took. */
  readonly seconds: number;
}

/** Cells of a bar. */
const BAR = 12;

/** What a conversion did. Prints as a table, and as JSON. */
export class ConvertReport {
  readonly #json: ConvertReportJson;

  constructor(json: Omit<ConvertReportJson, "warning">) {
    this.#json = { ...json, warning: warning(json) };
  }

  /** The numbers. */
  toJSON(): ConvertReportJson {
    return this.#json;
  }

  /** A line on the whole, a table of matrices, a line on the logits. */
  toString(): string {
    const { warning: text, options: o, layers, bitsPerWeight, bytes, logits, kept } = this.#json;
    const what = `${o.format}, ${o.method}, a scale a ${o.granularity === "group" ? `group of ${o.groupSize}` : o.granularity}${o.shift ? " with a shift" : ""}, ${o.activations} activations`;
    const rows = layers.map((l) => [
      l.name,
      `${l.rows} x ${l.cols}`,
      shortNumber(l.relativeError),
      bar(l.relativeError, BAR),
      l.cosine.toFixed(4),
      percent(l.zeros),
      l.scales[0] === l.scales[1] ? shortNumber(l.scales[0]) : `${shortNumber(l.scales[0])} .. ${shortNumber(l.scales[1])}`,
      l.bitsPerWeight.toFixed(2),
      l.method,
    ]);
    return [
      text,
      `${what}; ${bitsPerWeight.toFixed(2)} bits a weight; all parameters ${megabytes(bytes[0])} before, ${megabytes(bytes[1])} after`,
      "",
      table([["matrix", "shape", "error", "(of 1)".padEnd(BAR), "cosine", "zeros", "scale", "bits", "method"], ...rows], [2, 4, 5, 7]),
      ...(kept.length > 0 ? ["", `kept as they were: ${kept.join(", ")}`] : []),
      "",
      logits ? logitLine(logits) : "logits were not compared",
    ].join("\n");
  }
}

function warning({ lossy, logits, layers }: Omit<ConvertReportJson, "warning">): string {
  if (!lossy) return "lossless: these weights were low-bit already, and were only packed";
  const mean = layers.reduce((s, l) => s + l.relativeError, 0) / Math.max(1, layers.length);
  const effect = logits ? `; the top class changed in ${percent(1 - logits.top1)} of the rows, KL ${shortNumber(logits.kl)} nats` : "";
  return `LOSSY: quantising after training throws away most of what was learned (mean error of a matrix ${percent(mean)}${effect}). For a low-bit model that works, train with the quantiser.`;
}

function logitLine(l: ConvertedLogits): string {
  return `logits on ${l.rows} rows of ${l.tokens} tokens: KL ${shortNumber(l.kl)} nats, the same top class in ${percent(l.top1)}, relative error ${shortNumber(l.relativeError)}, cosine ${l.cosine.toFixed(4)}`;
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// What `console.log` shows in Node. Set here because a computed member name cannot be declared under isolatedDeclarations.
Object.defineProperty(ConvertReport.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: ConvertReport): string {
    return this.toString();
  },
});
