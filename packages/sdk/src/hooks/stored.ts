/** How a model keeps each of its parameters. */
import type { ParamInfo } from "../core/core.ts";
import type { Model } from "./model.ts";

/** One parameter and its format. */
export interface KeptParam extends ParamInfo {
  /** Place in the program. */
  readonly index: number;
  /** Format of a stored matrix (`f16`, `ternary2`, ...); `f32` for ordinary parameters. */
  readonly format: string;
}

/** Formats without loss against floats. */
const DENSE: ReadonlySet<string> = new Set(["f32", "f16", "bf16"]);

/** Every parameter of a model, in the order of its program. */
export function keptParams(model: Model): KeptParam[] {
  const { core, program } = model;
  return core.describe(program).params.map((p, index) => ({ ...p, index, format: p.stored ? core.describeStored(program, index).format : "f32" }));
}

/** Whether the forward pass multiplies with plain floats. */
export function isDense(p: KeptParam): boolean {
  return p.quant === "none" && DENSE.has(p.format);
}
