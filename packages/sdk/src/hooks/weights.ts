/** Reading and writing a model's parameters: in the core's layout, in TransformerLens's, latent, effective (quantised) and as codes. */
import type { Core, ParamInfo, ProgramHandle } from "../core/core.ts";
import { requireAttached, TritlensError, unknownName } from "../core/errors.ts";
import { readStateDict, type TransformerConfig, toTransformerLens, transformerLensName } from "../models/index.ts";
import type { Quantizer } from "../spec/index.ts";
import { requireLength, Tensor } from "../tensor/index.ts";

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
    const i = this.infos.findIndex((p) => p.name === name || this.publicName(p.name) === name);
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
    requireAttached(`parameter "${name}"`, data);
    requireLength(`parameter "${name}"`, (this.infos[i] as ParamInfo).length, data.length);
    this.#core.writeParam(this.#program, i, data);
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
    const tensor = this.read(name, options);
    return this.shaped(this.index(name), tensor.data);
  }

  /** Numbers of a parameter (values or gradients) in TransformerLens's shape. */
  shaped(index: number, data: Float32Array): Tensor {
    const info = this.infos[index] as ParamInfo;
    return this.#config ? toTransformerLens(this.#config, info.name, data) : Tensor.from(data, info.shape);
  }

  stateDict(options: WeightOptions = {}): Map<string, Tensor> {
    return new Map(this.infos.map((p) => [this.publicName(p.name), this.weight(p.name, options)]));
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
