/** Writes safetensors files, one tensor in memory at a time. */
import { TritlensError } from "../core/errors.ts";
import type { StoredDType } from "./dtype.ts";
import { bytesOfTensor, headerBytes } from "./safetensors-header.ts";
import { type WriteOptions, type WriteTarget, writePieces } from "./sink.ts";

/** A tensor to write. */
export interface SafetensorsItem {
  /** Any text but `__metadata__`. */
  readonly name: string;
  /** Element type. */
  readonly dtype: StoredDType;
  /** Extents, outermost first. */
  readonly shape: readonly number[];
  /** Its elements, row-major and little-endian. Asked for once, when its turn has come. */
  readonly data: () => Promise<Uint8Array> | Uint8Array;
}

/** What a file holds. */
export interface SafetensorsContent {
  /** Gone through once. */
  readonly tensors: Iterable<SafetensorsItem>;
  /** Strings for `__metadata__`. */
  readonly metadata?: ReadonlyMap<string, string>;
  /**
   * `reference` (default): by element type, then by name, as the safetensors library writes, whose files are then equal byte for byte (with at most one
   * metadata string: it keeps those in no order). `given`: as they come; tensors of wider types may then lie unaligned.
   */
  readonly order?: "reference" | "given";
}

/** The reference's order of element types in a file. */
const RANK: readonly StoredDType[] = ["U64", "I64", "F64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16", "I8", "U8", "BOOL"];

/**
 * Writes a safetensors file.
 *
 * @returns Bytes written.
 * @throws E_NAME for a name that is used twice or is `__metadata__`; E_FORMAT for an element type or shape that the format has not; E_SHAPE when the data
 * have another length; E_IO (a full disk, say), E_ABORTED. A path then holds what it held before.
 */
export async function writeSafetensors(target: WriteTarget, content: SafetensorsContent, options: WriteOptions = {}): Promise<number> {
  const tensors = [...content.tensors];
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name) || name === "__metadata__")
      throw new TritlensError("E_NAME", `tensor "${name}"`, {
        expected: "a name of its own",
        found: names.has(name) ? "it twice" : "the name of the metadata",
      });
    names.add(name);
  }
  if (content.order !== "given") tensors.sort((a, b) => RANK.indexOf(a.dtype) - RANK.indexOf(b.dtype) || compareUtf8(a.name, b.name));
  const header = headerBytes(tensors, content.metadata ?? new Map());
  const pieces = tensors.map(({ name, dtype, shape, data }) => ({
    what: `tensor "${name}"`,
    byteLength: bytesOfTensor(name, dtype, shape),
    padding: 0,
    data,
  }));
  return writePieces(target, [{ what: "the header", byteLength: header.byteLength, padding: 0, data: () => header }, ...pieces], options);
}

const utf8 = new TextEncoder();

/** The order of the bytes in UTF-8, which is that of code points and not that of JavaScript's strings. */
function compareUtf8(a: string, b: string): number {
  const [x, y] = [utf8.encode(a), utf8.encode(b)];
  const n = Math.min(x.length, y.length);
  for (let i = 0; i < n; i++) if (x[i] !== y[i]) return (x[i] as number) - (y[i] as number);
  return x.length - y.length;
}
