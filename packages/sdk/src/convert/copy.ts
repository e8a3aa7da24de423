/** Copying parameters from one model to another as they are kept. */
import { TritlensError } from "../core/errors.ts";
import type { Model } from "../hooks/index.ts";
import type { KeptParam } from "../hooks/stored.ts";

/** Copies a parameter into parameter `target` of another model; a stored matrix keeps its format, an ordinary one becomes f32. */
export function copyParam(from: Model, p: KeptParam, to: Model, target: number): void {
  const info = to.core.describe(to.program).params[target];
  if (!info?.stored) to.writeParam(p.name, from.readParam(p.name).data);
  else if (!p.stored) store(to, target, "f32", 1, from.readParam(p.name).data);
  else copyStored(from, p, to, target);
}

function copyStored(from: Model, p: KeptParam, to: Model, target: number): void {
  const { core } = from;
  const [rows, cols] = p.shape as [number, number];
  const info = core.describeStored(from.program, p.index);
  if (info.format === "")
    throw new TritlensError("E_SPEC", `parameter "${p.name}" was not loaded`, {
      expected: "a model whose matrices are loaded",
      found: "an empty one",
    });
  if (info.format === "binary" || info.format.startsWith("ternary")) {
    const [codes, scales, shifts] = [new Int8Array(rows * cols), new Float32Array(info.scales), new Float32Array(info.shifts)];
    core.readStoredCodes(from.program, p.index, codes);
    core.readStoredScales(from.program, p.index, 0, scales);
    if (shifts.length > 0) core.readStoredScales(from.program, p.index, 1, shifts);
    to.core.setStoredCodes(to.program, target, info.format, scales.length === 1 ? 0 : info.group, codes, scales, shifts);
    return;
  }
  const bytes = new Uint8Array(core.storedBytes(info.format, rows, cols));
  const scale = core.exportStored(from.program, p.index, info.format, bytes);
  store(to, target, info.format, scale, bytes);
}

/** Fills a stored parameter at once. */
function store({ core, program }: Model, target: number, format: string, scale: number, data: Uint8Array | Float32Array): void {
  core.openStored(program, target, format, scale);
  core.writeStored(program, target, 0, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  core.finishStored(program, target);
}
