/** Edits of virtual activations: what the core does with those of its own sites (crates/core/src/edit.rs), over a tensor. */
import { TritlensError } from "../../core/errors.ts";
import { requireShape, sizeOf, stridesOf, type Tensor } from "../../tensor/index.ts";
import { type Edit, ranges, valuesOf } from "../edit.ts";

/** Applies an edit in place. @throws E_NAME, E_RANGE, E_SHAPE for an edit that does not fit; E_MODE for `freeze`. */
export function applyEdit(tensor: Tensor, edit: Edit): void {
  const box = boxOf(tensor, edit);
  const { data } = tensor;
  switch (edit.kind) {
    case "zero":
      for (const i of box.places) data[i] = 0;
      break;
    case "mean":
      spreadMean(data, box);
      break;
    case "scale":
      for (const i of box.places) data[i] = (data[i] as number) * edit.factor;
      break;
    case "project":
      project(data, box, valuesOf(edit));
      break;
    case "patch":
      requireShape("the value of the patch", tensor.shape, edit.value.shape);
      for (const i of box.places) data[i] = edit.value.data[i] as number;
      break;
    case "freeze":
      throw new TritlensError("E_MODE", "freezing needs a plain run beside this one", { expected: "model.sweep", found: "a single run" });
    default: {
      const values = fitting(edit, box);
      for (const [k, i] of box.places.entries()) {
        const x = values[k % values.length] as number;
        data[i] = edit.kind === "set" ? x : (data[i] as number) + x;
      }
    }
  }
}

/** Turns the gradient behind an edit into the one before it, in place. */
export function undoEdit(grad: Tensor, edit: Edit): void {
  if (edit.kind === "add") return;
  const gone = edit.kind === "set" || edit.kind === "patch" || edit.kind === "zero";
  applyEdit(grad, gone ? { kind: "zero", ...(edit.at ? { at: edit.at } : {}) } : edit);
}

/** The elements of a box, row after row. */
interface Places {
  readonly places: Int32Array;
  readonly sizes: readonly number[];
}

function boxOf({ shape, axes }: Tensor, edit: Edit): Places {
  const limits = ranges(edit.at ?? {}, shape, axes);
  const strides = stridesOf(shape);
  const sizes = shape.map((_, i) => (limits[2 * i + 1] as number) - (limits[2 * i] as number));
  const start = strides.reduce((sum, stride, i) => sum + stride * (limits[2 * i] as number), 0);
  const places = Int32Array.from({ length: sizeOf(sizes) }, (_, k) => {
    let [rest, at] = [k, start];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      at += (rest % (sizes[axis] as number)) * (strides[axis] as number);
      rest = Math.floor(rest / (sizes[axis] as number));
    }
    return at;
  });
  return { places, sizes };
}

/** One number, one box, or one box without the batch axis. */
function fitting(edit: Edit, { places, sizes }: Places): ArrayLike<number> {
  const values = valuesOf(edit);
  const one = places.length / (sizes[0] as number);
  if (values.length === 1 || values.length === one || values.length === places.length) return values;
  throw new TritlensError("E_SHAPE", `data of a ${edit.kind} edit do not fit`, {
    expected: `1, ${one} or ${places.length} numbers`,
    found: String(values.length),
  });
}

function spreadMean(data: Float32Array, { places, sizes }: Places): void {
  const batch = sizes[0] as number;
  const one = places.length / batch;
  for (let k = 0; k < one; k++) {
    let sum = 0;
    for (let b = 0; b < batch; b++) sum += data[places[b * one + k] as number] as number;
    for (let b = 0; b < batch; b++) data[places[b * one + k] as number] = sum / batch;
  }
}

function project(data: Float32Array, { places, sizes }: Places, u: ArrayLike<number>): void {
  const width = sizes[sizes.length - 1] as number;
  if (u.length !== width)
    throw new TritlensError("E_SHAPE", "the direction of a project edit does not fit", { expected: `${width} numbers`, found: `${u.length}` });
  let square = 0;
  for (let i = 0; i < width; i++) square += (u[i] as number) ** 2;
  if (square === 0) return;
  for (let from = 0; from < places.length; from += width) {
    let dot = 0;
    for (let i = 0; i < width; i++) dot += (data[places[from + i] as number] as number) * (u[i] as number);
    for (let i = 0; i < width; i++) {
      const at = places[from + i] as number;
      data[at] = (data[at] as number) - (dot / square) * (u[i] as number);
    }
  }
}
