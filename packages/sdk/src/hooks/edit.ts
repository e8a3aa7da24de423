/** Interventions as data. They run inside the core, so a sweep of them crosses the boundary once a run, and they can be stored and sent. */
import { requireAttached, TritlensError, unknownName } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";

/** Part of a site: an index or `[lo, hi)` for each named axis; axes left out are taken whole. `{ head: 1, pos: [0, 2] }`. */
export type Box = Readonly<Record<string, number | readonly [lo: number, hi: number]>>;

/** Values for an edit: one number, one box, or one box without the batch axis. */
export type EditValue = number | ArrayLike<number> | Tensor;

/** What every edit may say. */
export interface EditPlace {
  /** The part that changes; all of it when left out. */
  readonly at?: Box;
}

/** x = 0 (`zero`), or x = mean of x over the batch (`mean`). */
export interface AblationEdit extends EditPlace {
  /** Zero or mean ablation. */
  readonly kind: "zero" | "mean";
}

/** x = value (`set`: patching), or x += value (`add`: steering). */
export interface ValueEdit extends EditPlace {
  /** Patching or steering. */
  readonly kind: "set" | "add";
  /** What to set or add. */
  readonly value: EditValue;
}

/** x *= factor. */
export interface ScaleEdit extends EditPlace {
  /** Scaling. */
  readonly kind: "scale";
  /** The factor. */
  readonly factor: number;
}

/** x -= (x . u) u along the last axis, u = direction / |direction|. */
export interface ProjectEdit extends EditPlace {
  /** Projecting a direction out. */
  readonly kind: "project";
  /** The direction, of any length but 0. */
  readonly direction: ArrayLike<number>;
}

/** x = the same box of `value`, which has the shape of the whole activation: patching from a cache, without cutting anything out of it. */
export interface PatchEdit extends EditPlace {
  /** Patching from another run. */
  readonly kind: "patch";
  /** The whole activation of the other run. Edits that name the same tensor share one copy. */
  readonly value: Tensor;
}

/** x = what the plain run has here, whatever earlier edits changed: a path that is held. In sweeps only ({@link Model.sweep}). */
export interface FreezeEdit extends EditPlace {
  /** Holding. */
  readonly kind: "freeze";
}

/** What happens to the chosen box of an activation. Gradients go through an edit as through any function: those of overwritten values are zero. */
export type Edit = AblationEdit | ValueEdit | ScaleEdit | ProjectEdit | PatchEdit | FreezeEdit;

const KINDS = ["zero", "mean", "set", "add", "scale", "project", "patch", "freeze"] as const;
/** Axes a record has room for. */
const MAX_AXES = 4;

/** An edit bound to a site, by index. */
export interface SiteEdit {
  /** Index of the site. */
  readonly site: number;
  /** What happens there. */
  readonly edit: Edit;
}

/** An edit with what encoding it needs to know of its site. */
interface PlacedEdit extends SiteEdit {
  readonly shape: readonly number[];
  readonly axes: readonly string[];
}

/**
 * Encodes edits for the core: twelve integers each, `[site, kind, lo0, hi0, ... lo3, hi3, offset, length]`, and all values in one array.
 *
 * @throws E_NAME for an unknown kind or axis, E_RANGE for an index outside its axis. The core checks that values fit (E_SHAPE).
 */
export function encodeEdits(edits: readonly PlacedEdit[]): { ints: Int32Array; floats: Float32Array } {
  const ints: number[] = [];
  const values: ArrayLike<number>[] = [];
  const places = new Map<unknown, number>();
  let length = 0;
  for (const { site, shape, axes, edit } of edits) {
    const kind = KINDS.indexOf(edit.kind);
    if (kind < 0) throw unknownName("kind of edit", String(edit.kind), KINDS);
    const data = valuesOf(edit);
    // Edits that share a tensor share its place.
    const shared = typeof (edit as ValueEdit).value === "object" ? (edit as ValueEdit).value : undefined;
    const known = shared === undefined ? undefined : places.get(shared);
    ints.push(site, kind, ...ranges(edit.at ?? {}, shape, axes), known ?? length, data.length);
    if (known !== undefined) continue;
    if (shared !== undefined) places.set(shared, length);
    values.push(data);
    length += data.length;
  }
  const floats = new Float32Array(length);
  let at = 0;
  for (const part of values) {
    floats.set(part, at);
    at += part.length;
  }
  return { ints: Int32Array.from(ints), floats };
}

/** The numbers of an edit, however they were given. @throws E_SHAPE when there are none, E_DETACHED. */
export function valuesOf(edit: Edit): ArrayLike<number> {
  const values = numbersOf(edit);
  if (ArrayBuffer.isView(values)) requireAttached("an edit's values", values as ArrayBufferView);
  if (typeof values?.length === "number") return values;
  throw new TritlensError("E_SHAPE", `an edit "${edit.kind}" without values`, {
    expected: edit.kind === "patch" ? "a Tensor" : "numbers",
    found: typeof values,
  });
}

function numbersOf(edit: Edit): ArrayLike<number> {
  switch (edit.kind) {
    case "set":
    case "add":
      return typeof edit.value === "number" ? [edit.value] : edit.value instanceof Tensor ? edit.value.data : edit.value;
    case "patch":
      return edit.value?.data;
    case "scale":
      return [edit.factor];
    case "project":
      return edit.direction;
    default:
      return [];
  }
}

/** lo and hi of every axis, four of them. @throws E_NAME, E_RANGE. */
export function ranges(at: Box, shape: readonly number[], axes: readonly string[]): number[] {
  const wrong = Object.keys(at).find((name) => !axes.includes(name));
  if (wrong !== undefined) throw unknownName("axis", wrong, axes);
  const out = new Array<number>(2 * MAX_AXES).fill(0);
  axes.forEach((name, i) => {
    const [lo, hi] = range(at[name], shape[i] as number, name);
    out[2 * i] = lo;
    out[2 * i + 1] = hi;
  });
  return out;
}

function range(index: number | readonly [number, number] | undefined, extent: number, axis: string): [number, number] {
  if (index === undefined) return [0, extent];
  const [lo, hi] = typeof index === "number" ? [index < 0 ? index + extent : index, (index < 0 ? index + extent : index) + 1] : index;
  if (Number.isInteger(lo) && Number.isInteger(hi) && lo >= 0 && lo < hi && hi <= extent) return [lo, hi];
  throw new TritlensError("E_RANGE", `an edit lies outside axis "${axis}"`, { expected: `0 <= lo < hi <= ${extent}`, found: `[${lo}, ${hi})` });
}
