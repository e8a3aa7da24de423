/** Which type each tensor of a GGUF gets. */
import type { Model } from "../../hooks/index.ts";
import { isDense, type KeptParam } from "../../hooks/stored.ts";
import { toHalf } from "../quantize.ts";
import { BLOCKS } from "./encode.ts";
import { denseType } from "./hf.ts";
import type { SaveOptions } from "./options.ts";
import type { TargetTensor } from "./rows.ts";
import { isBinary, isTernary } from "./target-config.ts";

/** Block types that are moved as they are: elements and bytes of a block. */
const RAW: Readonly<Record<string, readonly [elements: number, bytes: number]>> = { ...BLOCKS, Q4_K: [256, 144], Q6_K: [256, 210] };

/**
 * The type of a tensor. Matrices whose rows are no whole blocks become F16, as llama.cpp's converter has it, or F32 where F16 would lose something; a note says so.
 */
export function typeOf(model: Model, t: TargetTensor, { ggufType, dtype, lossy = false }: SaveOptions, notes: string[]): string {
  // Vectors, and GPT-2's positions, are f32 in every file of llama.cpp.
  if (t.shape.length === 1 || t.name === "position_embd.weight") return "F32";
  const inBlocks = t.name.startsWith("blk.");
  const low = t.parts.every((p) => isTernary(p) || isBinary(p));
  const wanted = inBlocks ? (ggufType?.toUpperCase() ?? (low ? lowType(t) : undefined)) : undefined;
  if (wanted === undefined) return rawType(t, dtype) ?? denseType(t.parts, dtype);
  const [elements] = BLOCKS[wanted] ?? [1];
  const cols = t.shape[1] as number;
  if (cols % elements === 0) return wanted;
  const instead = lossy || (low && t.parts.every((p) => halfScales(model, p))) || t.parts.every((p) => p.format === "f16") ? "F16" : "F32";
  notes.push(`${t.name} is ${instead}: its rows of ${cols} are no whole blocks of ${elements} of ${wanted}`);
  return instead;
}

function lowType(t: TargetTensor): string {
  return t.parts.every(isBinary) ? "Q1_0" : "TQ2_0";
}

/** Whether every value of a packed or quantised matrix is a 16-bit float. */
function halfScales({ core, program }: Model, p: KeptParam): boolean {
  if (!p.stored) {
    const scale = Float32Array.of(core.paramCodes(program, p.index, new Int8Array(p.length)));
    return toHalf(scale)[0] === scale[0];
  }
  const { scales, shifts } = core.describeStored(program, p.index);
  if (shifts > 0) return false;
  const values = new Float32Array(scales);
  core.readStoredScales(program, p.index, 0, values);
  const half = toHalf(values);
  return values.every((x, i) => x === half[i]);
}

/** A block type in which all parts are kept, which is written as it is. */
function rawType(t: TargetTensor, dtype: SaveOptions["dtype"]): string | undefined {
  const format = (t.parts[0] as KeptParam).format.toUpperCase();
  return dtype === undefined && Object.hasOwn(RAW, format) && t.parts.every((p) => p.format.toUpperCase() === format) ? format : undefined;
}

/** The bytes of a tensor whose parts are kept in its type, their rows in the tensor's order; undefined when they have to be encoded. */
export function rawTensor({ core, program }: Model, t: TargetTensor, type: string): (() => Uint8Array) | undefined {
  const block = RAW[type];
  if (!block || t.parts.some((p) => isDense(p) || p.format.toUpperCase() !== type)) return undefined;
  const [rows, cols] = t.shape as [number, number];
  const width = (cols / block[0]) * block[1];
  return () => {
    const sources = t.parts.map((p) => {
      const bytes = new Uint8Array(core.storedBytes(p.format, p.shape[0] as number, cols));
      core.exportStored(program, p.index, p.format, bytes);
      return bytes;
    });
    if (!t.rows) return sources[0] as Uint8Array;
    const out = new Uint8Array(rows * width);
    for (let r = 0; r < rows; r++) {
      const from = (t.rows.row[r] as number) * width;
      out.set((sources[t.rows.part[r] as number] as Uint8Array).subarray(from, from + width), r * width);
    }
    return out;
  };
}
