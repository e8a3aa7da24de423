/** Hooks whose positions count from the beginning of the text, for a run that covers only some of them. */
import { TritlensError } from "../core/errors.ts";
import { axesOf } from "../hooks/axes.ts";
import type { AsyncHook, Edit, NameFilter } from "../hooks/index.ts";
import type { SiteSpec } from "../spec/index.ts";
import { Tensor } from "../tensor/index.ts";
import type { GenerateHook, GenerateHookFn, Span } from "./options.ts";

/** The hooks of a generation. Names are resolved once, so that a wrong one is E_NAME before anything runs. */
export class PlacedHooks {
  readonly #hooks: readonly { readonly site: SiteSpec; readonly action: GenerateHookFn | Edit }[];

  /** @param select - The activations that a filter means. */
  constructor(hooks: readonly GenerateHook[], select: (where: NameFilter) => readonly SiteSpec[]) {
    this.#hooks = hooks.flatMap(([where, action]) => select(where).map((site) => ({ site, action })));
  }

  /** For a run over these positions; edits that lie elsewhere are left out. */
  at(span: Span): AsyncHook[] {
    const placed: AsyncHook[] = [];
    for (const { site, action } of this.#hooks) {
      if (typeof action === "function") placed.push([site.name, (value, { name, run }) => action(value, { name, run, ...span })]);
      else {
        const edit = placeEdit(action, site, span);
        if (edit) placed.push([site.name, edit]);
      }
    }
    return placed;
  }
}

/** Where the part of an edit that a run can do lies in the edit's own box, along one axis. */
interface Extent {
  /** Of the whole box. */
  readonly full: number;
  /** Where the part begins in it. */
  readonly skip: number;
  /** Of the part. */
  readonly size: number;
}

/** The part of an edit that lies in a run; undefined when none does. @throws E_RANGE for positions that do not count from the beginning. */
export function placeEdit(edit: Edit, site: SiteSpec, span: Span): Edit | undefined {
  const axes = axesOf(site);
  const at = new Map(Object.entries(edit.at ?? {}));
  const extents: Extent[] = [];
  for (const [i, axis] of axes.entries()) {
    const dim = site.shape[i];
    const place = at.get(axis);
    const limits = dim === "seq" ? span : dim === "keys" ? { from: 0, to: span.to } : undefined;
    if (limits === undefined) {
      const full = place === undefined ? (typeof dim === "number" ? dim : 1) : typeof place === "number" ? 1 : place[1] - place[0];
      extents.push({ full, skip: 0, size: full });
      continue;
    }
    const [lo, hi] = place === undefined ? [limits.from, limits.to] : absolute(place, axis);
    const [first, last] = [Math.max(lo, limits.from), Math.min(hi, limits.to)];
    if (first >= last) return undefined;
    extents.push({ full: hi - lo, skip: first - lo, size: last - first });
    if (place !== undefined) at.set(axis, [first - limits.from, last - limits.from]);
  }
  const box = edit.at === undefined ? {} : { at: Object.fromEntries(at) };
  if ((edit.kind !== "set" && edit.kind !== "add") || typeof edit.value === "number") return { ...edit, ...box };
  const values = edit.value instanceof Tensor ? edit.value.data : edit.value;
  const seq = site.shape.indexOf("seq");
  return { ...edit, ...box, value: fit(values, extents, seq) };
}

function absolute(place: number | readonly [number, number], axis: string): readonly [number, number] {
  const [lo, hi] = typeof place === "number" ? [place, place + 1] : place;
  if (Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo < hi) return [lo, hi];
  throw new TritlensError("E_RANGE", `positions of an edit inside of a generation count from the beginning of the text (axis "${axis}")`, {
    expected: "0 <= lo < hi",
    found: `[${lo}, ${hi})`,
  });
}

/** The values of the part of a box: cut out of those of the whole box, or those of one position again and again. Values of another number are left to the core. */
function fit(values: ArrayLike<number>, extents: readonly Extent[], seq: number): ArrayLike<number> {
  const whole = extents.reduce((n, e) => n * e.full, 1);
  const positions = extents[seq]?.full ?? 1;
  if (values.length === whole) return extents.every((e) => e.full === e.size) ? values : cut(values, extents);
  if (values.length * positions !== whole) return values;
  // Stride 0 along the positions.
  return cut(
    values,
    extents.map((e, i) => (i === seq ? { full: 1, skip: 0, size: e.size } : e)),
    seq,
  );
}

function cut(values: ArrayLike<number>, extents: readonly Extent[], repeated = -1): Float32Array {
  const out = new Float32Array(extents.reduce((n, e) => n * e.size, 1));
  const strides = extents.map((_, i) => (i === repeated ? 0 : extents.slice(i + 1).reduce((n, e) => n * e.full, 1)));
  for (let i = 0; i < out.length; i++) {
    let [rest, from] = [i, 0];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      const { size, skip } = extents[axis] as Extent;
      from += ((rest % size) + skip) * (strides[axis] as number);
      rest = Math.floor(rest / size);
    }
    out[i] = values[from] as number;
  }
  return out;
}
