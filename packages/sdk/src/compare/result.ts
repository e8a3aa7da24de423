/** What a comparison found, and how it is shown. */
import { unknownName } from "../core/errors.ts";
import { bar, percent, shortNumber, table } from "../core/text.ts";
import { drawSvg, type PanelsChart, Result } from "../plots/index.ts";
import { comparisonChart } from "./chart.ts";
import type { Difference, LogitDifference } from "./differences.ts";

/** How one activation differs. */
export interface SiteComparison extends Difference {
  /** Canonical name. */
  readonly name: string;
  /** Block, or null outside of blocks. */
  readonly layer: number | null;
  /** The name inside the block: `attn.hook_z`. */
  readonly kind: string;
  /** Head by head, where the activation has heads. */
  readonly heads: readonly Difference[];
}

/** The numbers of a comparison, as `JSON.stringify` writes them. */
export interface ComparisonJson {
  /** The logits. */
  readonly logits: LogitDifference;
  /** Activations, in firing order. */
  readonly sites: readonly SiteComparison[];
}

/** Cells of a bar. */
const BAR = 20;

/** Two models, activation by activation. Prints as a table, draws as a heat map. */
export class Comparison extends Result {
  /** Activations, in firing order. */
  readonly sites: readonly SiteComparison[];
  /** The logits. */
  readonly logits: LogitDifference;

  constructor(sites: readonly SiteComparison[], logits: LogitDifference) {
    super();
    this.sites = sites;
    this.logits = logits;
  }

  /** One activation. @throws E_NAME with the nearest names. */
  site(name: string): SiteComparison {
    const found = this.sites.find((s) => s.name === name);
    if (!found)
      throw unknownName(
        "compared activation",
        name,
        this.sites.map((s) => s.name),
      );
    return found;
  }

  /** Where the relative error is largest, largest first. */
  worst(count = 5): SiteComparison[] {
    return [...this.sites].sort((a, b) => b.relativeError - a.relativeError).slice(0, count);
  }

  /** A table with a bar for each relative error, then one line on the logits. */
  override toString(): string {
    const rows = this.sites.map((s) => [s.name, s.cosine.toFixed(4), shortNumber(s.relativeError), bar(s.relativeError, BAR), kl(s), worstHead(s)]);
    const l = this.logits;
    return [
      table([["activation", "cosine", "error", "(of 1)".padEnd(BAR), "KL", "worst head"], ...rows], [1, 2, 4]),
      "",
      `logits: KL ${shortNumber(l.kl)} nats, the same top class in ${percent(l.top1)} of ${l.rows} rows, relative error ${shortNumber(l.relativeError)}, cosine ${l.cosine.toFixed(4)}`,
    ].join("\n");
  }

  /** The numbers. */
  toJSON(): ComparisonJson {
    return { logits: this.logits, sites: this.sites };
  }

  /** A heat map, layers down and activations across, and beneath it the heads of the attention patterns. */
  override chart(): PanelsChart {
    return comparisonChart(this.sites);
  }

  /** The chart under another title. Complete SVG, with numbers and no scripts. */
  toSvg(title = "Where the models differ"): string {
    return drawSvg({ ...this.chart(), title });
  }
}

function kl(s: SiteComparison): string {
  return s.kl === undefined ? "" : shortNumber(s.kl);
}

function worstHead({ heads }: SiteComparison): string {
  if (heads.length < 2) return "";
  const size = (d: Difference): number => d.kl ?? d.relativeError;
  const worst = heads.reduce((w, d, h) => (size(d) > size(heads[w] as Difference) ? h : w), 0);
  return `${worst} (${shortNumber(size(heads[worst] as Difference))})`;
}
