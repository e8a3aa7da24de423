/** Virtual activations of runs without hooks: worked out from what was captured. */
import type { Tensor } from "../../tensor/index.ts";
import { bytesOf, type MemoryOptions, type MemoryPlan } from "../memory.ts";
import type { HookPlace } from "../space.ts";
import type { TokenRows } from "../tokens.ts";
import { tokenTensor } from "./list.ts";
import { BEFORE } from "./site.ts";

/** The core sites that have to be captured, in firing order. */
export function coreSitesOf(places: readonly HookPlace[]): number[] {
  const sites = places.map((p) => p.core ?? p.virtual?.after ?? BEFORE);
  return [...new Set(sites.filter((i) => i !== BEFORE))].sort((a, b) => a - b);
}

/** What was asked for, in firing order, out of what was captured. */
export function collect(
  places: readonly HookPlace[],
  captured: ReadonlyMap<string, Tensor>,
  names: readonly string[],
  rows: TokenRows,
): Map<string, Tensor> {
  return new Map(
    places.map(({ name, virtual }) => {
      if (!virtual) return [name, captured.get(name) as Tensor];
      return [name, virtual.read(virtual.after === BEFORE ? tokenTensor(rows) : (captured.get(names[virtual.after] as string) as Tensor))];
    }),
  );
}

/** Memory of a run that keeps these places. @param plan - Of a run that keeps core sites only. */
export function planWithVirtual(
  places: readonly HookPlace[],
  { batch = 1, seq = 1 }: MemoryOptions,
  plan: (names: string[] | undefined) => MemoryPlan,
  names: readonly string[],
): MemoryPlan {
  const sites = coreSitesOf(places);
  const of = plan(sites.length === 0 ? undefined : sites.map((i) => names[i] as string));
  const sizes = { batch, seq, capacity: 0 };
  const extra = places.reduce((n, { virtual, site }) => n + (virtual ? bytesOf(site, sizes) : 0), 0);
  return { ...of, captures: of.captures + extra, total: of.total + extra };
}
