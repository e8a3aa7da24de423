/** A folder as transformers has it: config.json and model.safetensors. */
import { Fields } from "../../checkpoint/fields.ts";
import { hfRecipe } from "../../checkpoint/hf/index.ts";
import type { Architecture, Recipe } from "../../checkpoint/recipe.ts";
import { TritlensError } from "../../core/errors.ts";
import type { Model } from "../../hooks/index.ts";
import type { KeptParam } from "../../hooks/stored.ts";
import type { SafetensorsItem } from "../../io/index.ts";
import type { TransformerConfig } from "../../models/index.ts";
import type { DenseType } from "../numbers.ts";
import { fitArchitecture } from "./architecture.ts";
import { encodeTensor } from "./encode.ts";
import { hfConfig, type Json } from "./hf-config.ts";
import type { SaveOptions } from "./options.ts";
import { RowReader, type TargetTensor, targetTensors } from "./rows.ts";
import { type SaveGoal, saveGoal } from "./target-config.ts";

/** What is written into a folder. */
export interface HfPlan {
  readonly architecture: Architecture;
  readonly config: Json;
  readonly tensors: readonly SafetensorsItem[];
}

/** @throws E_SPEC, E_MODE, E_FORMAT, E_NAME for a model that the format cannot hold. */
export async function planHf(model: Model, options: SaveOptions): Promise<HfPlan> {
  const goal = saveGoal(model, options.format);
  const json = (architecture: Architecture): Json => configJson(goal, architecture, options);
  const read = (architecture: Architecture): Recipe => readBack(json(architecture), goal.online);
  const fit = await fitArchitecture(model, goal.config, options.architecture, read);
  const reader = new RowReader(model, goal.online);
  const tensors = targetTensors(fit.recipe, model).flatMap((t) => items(model, reader, t, options));
  return { architecture: fit.architecture, config: { ...json(fit.architecture), dtype: dtypeName(tensors) }, tensors };
}

function configJson(goal: SaveGoal, architecture: Architecture, { format }: SaveOptions): Json {
  const c = goal.config;
  const plain = hfConfig(c, architecture);
  if (format !== "hf-bitnet" && !goal.online) return plain;
  const quantization = {
    quant_method: "bitnet",
    linear_class: "autobitlinear",
    quantization_mode: goal.online ? "online" : "offline",
    ...(c.linearNorm ? { use_rms_norm: true, rms_norm_eps: c.linearNormEps } : {}),
  };
  if (c.plainMatrices.length === 0) return { ...plain, quantization_config: quantization };
  const recipe = readBack({ ...plain, quantization_config: quantization }, goal.online);
  return { ...plain, quantization_config: { ...quantization, modules_to_not_convert: modulesOf(recipe, c) } };
}

/** transformers's names of the modules that stay dense. It leaves the unembedding out by itself only where there is no such list. */
function modulesOf(recipe: Recipe, c: TransformerConfig): string[] {
  const kept = new Set(c.plainMatrices);
  return ["lm_head", ...recipe.weights.filter((w) => kept.has(w.param)).map((w) => w.tensor.replace(/\.weight$/, ""))];
}

function readBack(json: Json, trainable: boolean): Recipe {
  // All tensors are there: what is written has the names that transformers writes today.
  return hfRecipe(new Fields(new Map(Object.entries(json)), "config.json"), { has: () => true, size: Number.MAX_SAFE_INTEGER }, { trainable });
}

function items(model: Model, reader: RowReader, t: TargetTensor, { format, dtype, lossy = false }: SaveOptions): SafetensorsItem[] {
  if (format === "hf-bitnet" && t.packing !== undefined && t.shape.length === 2) return packed(model, t);
  const type = t.shape.length === 1 ? "F32" : denseType(t.parts, dtype);
  const shape = t.transposed ? [...t.shape].reverse() : t.shape;
  return [{ name: t.name, dtype: type, shape, data: () => encodeTensor(model.core, reader, t, type, lossy) }];
}

/** The type asked for, or the one in which all parts are kept; f32 for everything else. */
export function denseType(parts: readonly KeptParam[], dtype: SaveOptions["dtype"]): DenseType {
  if (dtype) return dtype.toUpperCase() as DenseType;
  const kept = new Set(parts.map((p) => p.format));
  if (kept.size === 1 && kept.has("f16")) return "F16";
  return kept.size === 1 && kept.has("bf16") ? "BF16" : "F32";
}

/** Four rows to a byte, and the number that codes are multiplied with (transformers, `integrations/bitnet.py`). */
function packed({ core, program }: Model, t: TargetTensor): SafetensorsItem[] {
  const [rows, cols] = t.shape as [number, number];
  const p = t.parts[0] as KeptParam;
  if (rows % 4 !== 0)
    throw new TritlensError("E_SHAPE", `matrix "${p.name}" cannot be packed for transformers`, { expected: "rows in fours", found: String(rows) });
  const codes = (): { codes: Int8Array; scale: number } => {
    const out = new Int8Array(rows * cols);
    if (!p.stored) return { scale: core.paramCodes(program, p.index, out), codes: out };
    core.readStoredCodes(program, p.index, out);
    const scale = new Float32Array(1);
    core.readStoredScales(program, p.index, 0, scale);
    return { codes: out, scale: scale[0] as number };
  };
  if (p.stored) {
    const { scales, shifts } = core.describeStored(program, p.index);
    if (scales !== 1 || shifts !== 0)
      throw new TritlensError("E_FORMAT", `matrix "${p.name}" cannot be packed for transformers`, {
        expected: "one scale, no shifts (granularity tensor)",
        found: `${scales} scales, ${shifts} shifts`,
      });
  }
  const bytes = (): Uint8Array => {
    const out = new Uint8Array(core.packedBytes("hf", rows, cols));
    core.packCodes("hf", codes().codes, rows, cols, 1, out);
    return out;
  };
  return [
    { name: t.name, dtype: "U8", shape: [rows / 4, cols], data: bytes },
    { name: t.name.replace(/weight$/, "weight_scale"), dtype: "F32", shape: [1], data: () => new Uint8Array(Float32Array.of(codes().scale).buffer) },
  ];
}

/** torch's name of the type that most dense matrices have. */
function dtypeName(tensors: readonly SafetensorsItem[]): string {
  const matrices = tensors.filter((t) => t.shape.length === 2 && t.dtype !== "U8");
  const of = (type: string): number => matrices.filter((t) => t.dtype === type).length;
  if (of("BF16") > matrices.length / 2) return "bfloat16";
  return of("F16") > matrices.length / 2 ? "float16" : "float32";
}
