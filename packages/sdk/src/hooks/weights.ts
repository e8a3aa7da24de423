/** Reading and writing a model's parameters: in the core's layout, in TransformerLens's, latent, effective (quantised) and as codes. */
import type { Core, ParamInfo, ProgramHandle } from "../core/core.ts";
import { requireAttached, TritlensError, unknownName } from "../core/errors.ts";
import { readStateDict, type TransformerConfig, toTransformerLens, transformerLensName, UNEMBED } from "../models/index.ts";
import type { Quantizer } from "../spec/index.ts";
import { requireLength, Tensor } from "../tensor/index.ts";
import { roomFor } from "./room.ts";

/** Integer codes of a quantised weight: the effective value is `scale * code`. */
export interface WeightCodes {
  /** -1, 0 or 1, row-major in the core's layout. */
  readonly codes: Int8Array;
  /** 1 for `li_binary`, which has no scale. */
  readonly scale: number;
  /** [out, in]. */
  readonly shape: readonly number[];
}

/** Which values of a parameter: the latent ones that training updates, or those the forward pass multiplies with. */
export interface WeightOptions {
  /** True for the quantised and dequantised values; false (the default) for the latent ones. */
  readonly effective?: boolean;
}

/** A matrix as it lies in memory. */
export interface PackedWeight {
  /** `ternary2`, `ternary5`, `binary`; `f16`, `bf16`, `q8_0`, ... of matrices that are not packed; `f32`. */
  readonly format: string;
  /** [out, in]. */
  readonly shape: readonly number[];
  /** Packed codes, or the elements or blocks of the other formats, row by row. */
  readonly bytes: Uint8Array;
  /** Scales beside the codes: 1, one a row, or one a row and group; none where the format has its own. */
  readonly scales: Float32Array;
  /** Numbers added to scale times code: none, or one a row and group. */
  readonly shifts: Float32Array;
  /** Columns that share a scale. */
  readonly group: number;
}

/** The parameters of one compiled program. */
export class Weights {
  readonly #core: Core;
  readonly #program: ProgramHandle;
  readonly #config: TransformerConfig | undefined;
  /** Parameters in the order of the flat vector. */
  readonly infos: readonly ParamInfo[];

  constructor(core: Core, program: ProgramHandle, infos: readonly ParamInfo[], config: TransformerConfig | undefined) {
    this.#core = core;
    this.#program = program;
    this.#config = config;
    this.infos = infos;
  }

  /** Names in the order of the flat vector. */
  names(): string[] {
    return this.infos.map((p) => p.name);
  }

  /** Index of a parameter, by its own name or TransformerLens's. @throws E_NAME. */
  index(name: string): number {
    const own = this.#config?.tiedEmbeddings && name === UNEMBED ? "embed.W_E" : name;
    const i = this.infos.findIndex((p) => p.name === own || this.publicName(p.name) === own);
    if (i < 0) throw unknownName("parameter", name, this.names());
    return i;
  }

  /** TransformerLens's name (grouped keys and values carry an underscore there). */
  publicName(name: string): string {
    return this.#config ? transformerLensName(this.#config, name) : name;
  }

  /** Values in the core's layout. */
  read(name: string, { effective = false }: WeightOptions = {}): Tensor {
    const i = this.index(name);
    const { shape, length } = this.infos[i] as ParamInfo;
    const out = new Float32Array(length);
    if (effective) this.#core.effectiveParam(this.#program, i, out);
    else this.#core.readParam(this.#program, i, out);
    return Tensor.from(out, shape);
  }

  /** Replaces a parameter. @throws E_SHAPE, E_DETACHED. */
  write(name: string, data: Float32Array): void {
    const i = this.index(name);
    if (this.isStored(name))
      throw new TritlensError("E_MODE", `parameter "${name}" is a matrix of a checkpoint and cannot be overwritten`, {
        expected: "a model loaded with trainable: true",
        found: "a stored matrix",
      });
    requireAttached(`parameter "${name}"`, data);
    requireLength(`parameter "${name}"`, (this.infos[i] as ParamInfo).length, data.length);
    this.#core.writeParam(this.#program, i, data);
  }

  /** Whether a parameter is a matrix that stays as a checkpoint has it. */
  isStored(name: string): boolean {
    return (this.infos[this.index(name)] as ParamInfo).stored;
  }

  /** Codes and scale. @throws E_NAME when the parameter is not quantised. */
  codes(name: string): WeightCodes {
    const i = this.index(name);
    const { shape, length } = this.infos[i] as ParamInfo;
    const codes = new Int8Array(length);
    return { scale: this.#core.paramCodes(this.#program, i, codes), codes, shape };
  }

  quantOf(name: string): Quantizer {
    return (this.infos[this.index(name)] as ParamInfo).quant as Quantizer;
  }

  /** Values in TransformerLens's shape; in the core's when the model came from a bare Spec. */
  weight(name: string, options: WeightOptions = {}): Tensor {
    const { data } = this.read(name, options);
    if (this.#config?.tiedEmbeddings && name === UNEMBED) return toTransformerLens(this.#config, UNEMBED, data);
    return this.shaped(this.index(name), data);
  }

  /** One parameter of every block that has it, [layer, ...] in TransformerLens's shape. @throws E_NAME when none has it, E_MEMORY. */
  stacked(name: string): Tensor {
    const infos = this.infos.filter((p) => p.name.startsWith("blocks.") && p.name.endsWith(`.${name}`));
    const [first] = infos;
    if (first === undefined) throw unknownName("parameter of the blocks", name, new Set(this.names().map((n) => n.replace(/^blocks\.\d+\./, ""))));
    const out = roomFor(`${name} of all layers`, infos.length * first.length);
    let one: Tensor | undefined;
    for (const [layer, { name: full }] of infos.entries()) {
      one = this.weight(full, { effective: true });
      out.set(one.data, layer * first.length);
    }
    return Tensor.from(out, [infos.length, ...(one as Tensor).shape], ["layer", ...(one as Tensor).axes]);
  }

  /** As it lies in memory. @throws E_NAME for ordinary parameters. */
  packed(name: string): PackedWeight {
    const [core, program] = [this.#core, this.#program];
    const i = this.#stored(name, "a matrix that is kept as its file has it");
    const { format, rows, cols, group, scales, shifts } = core.describeStored(program, i);
    const bytes = new Uint8Array(core.storedBytes(format, rows, cols));
    // Dense formats have no scales beside them, packed ones always do.
    if (scales === 0) core.exportStored(program, i, format, bytes);
    else core.packCodes(format, this.trits(name).data, rows, cols, 1, bytes);
    return { format, shape: [rows, cols], bytes, group, scales: this.#numbers(i, 0, scales), shifts: this.#numbers(i, 1, shifts) };
  }

  /** Codes [out, in]. @throws E_NAME when there are none. */
  trits(name: string): Tensor<Int8Array> {
    const i = this.index(name);
    const { shape, length, stored, quant } = this.infos[i] as ParamInfo;
    const codes = new Int8Array(stored || quant !== "none" ? length : 0);
    if (stored) this.#core.readStoredCodes(this.#program, i, codes);
    else this.#core.paramCodes(this.#program, i, codes);
    return Tensor.from(codes, shape, ["d_out", "d_in"]);
  }

  /** [1], [out] or [out, groups]. @throws E_NAME when there are none. */
  scales(name: string): Tensor {
    const i = this.index(name);
    const info = this.infos[i] as ParamInfo;
    if (!info.stored) return Tensor.from(Float32Array.of(this.codes(name).scale), [1], ["matrix"]);
    const { scales, rows, format } = this.#core.describeStored(this.#program, i);
    if (scales === 0)
      throw new TritlensError("E_NAME", `parameter "${info.name}" has no scales beside it`, { expected: "a packed matrix", found: format });
    const data = this.#numbers(i, 0, scales);
    if (scales === 1) return Tensor.from(data, [1], ["matrix"]);
    return scales === rows ? Tensor.from(data, [rows], ["d_out"]) : Tensor.from(data, [rows, scales / rows], ["d_out", "group"]);
  }

  #numbers(index: number, kind: 0 | 1, count: number): Float32Array {
    const out = new Float32Array(count);
    if (count > 0) this.#core.readStoredScales(this.#program, index, kind, out);
    return out;
  }

  #stored(name: string, expected: string): number {
    const i = this.index(name);
    if (this.infos[i]?.stored) return i;
    throw new TritlensError("E_NAME", `parameter "${name}" is an ordinary one`, { expected, found: "f32 values" });
  }

  /** Numbers of a parameter (values or gradients) in TransformerLens's shape. */
  shaped(index: number, data: Float32Array): Tensor {
    const info = this.infos[index] as ParamInfo;
    return this.#config ? toTransformerLens(this.#config, info.name, data) : Tensor.from(data, info.shape);
  }

  stateDict(options: WeightOptions = {}): Map<string, Tensor> {
    const dict = new Map(this.infos.map((p) => [this.publicName(p.name), this.weight(p.name, options)]));
    if (this.#config?.tiedEmbeddings) dict.set(UNEMBED, this.weight(UNEMBED, options));
    return dict;
  }

  /** All or nothing: everything is checked before the first parameter changes. */
  loadStateDict(dict: ReadonlyMap<string, Tensor>): void {
    if (!this.#config)
      throw new TritlensError("E_SPEC", "a state dict needs a model that was made from a config", {
        expected: "Model.fromConfig",
        found: "Model.fromSpec",
      });
    for (const [name, data] of readStateDict(this.#config, this.names(), dict)) this.write(name, data);
  }
}
