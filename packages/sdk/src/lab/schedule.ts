/** When the experiment looks: snapshots for the progress measures, and the rule that ends a run. */

/** Spacing of the snapshots of a run of at most `maxEpochs`. */
export interface SnapshotPlan {
  /** Epochs between snapshots at first, while the loss moves fast. */
  early: number;
  /** Epochs between snapshots later. */
  late: number;
  /** Epoch from which `late` holds. */
  turn: number;
}

/** About a hundred snapshots for the whole length, closer together in the first two fifths. */
export function snapshotPlan(maxEpochs: number, every: number): SnapshotPlan {
  const round = (n: number): number => Math.max(every, Math.ceil(n / every) * every);
  const early = round(maxEpochs / 100);
  return { early, late: round(2.5 * early), turn: round(0.4 * maxEpochs) };
}

/** Whether a snapshot is due at this epoch. */
export function snapshotDue(plan: SnapshotPlan, epoch: number): boolean {
  return epoch <= plan.turn ? epoch % plan.early === 0 : (epoch - plan.turn) % plan.late === 0;
}

/** At most `most` of the epochs, evenly thinned, the first and the last always among them. */
export function thin(epochs: readonly number[], most: number): number[] {
  if (epochs.length <= most) return [...epochs];
  const at = Array.from({ length: most }, (_, i) => Math.round((i * (epochs.length - 1)) / (most - 1)));
  return [...new Set(at)].map((i) => epochs[i] as number);
}

/** First epoch at which the accuracy reaches `threshold`; null when it never does. */
export function grokEpoch(epochs: readonly number[], accuracy: readonly number[], threshold: number): number | null {
  const at = accuracy.findIndex((a) => a >= threshold);
  return at < 0 ? null : (epochs[at] ?? null);
}

/** Epochs for which the accuracy has held `threshold` without a break up to the last evaluation; 0 when the last one is below. */
export function heldFor(epochs: readonly number[], accuracy: readonly number[], threshold: number): number {
  let first = epochs.length;
  while (first > 0 && (accuracy[first - 1] ?? 0) >= threshold) first--;
  return first === epochs.length ? 0 : (epochs.at(-1) ?? 0) - (epochs[first] ?? 0);
}
