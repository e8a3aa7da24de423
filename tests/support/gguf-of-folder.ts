/** Writes the GGUF file that llama.cpp's converter would make of a transformers folder: names, permuted rows and metadata, independent of the SDK's own exporter. */
import { readFileSync } from "node:fs";
import {
  decodeFloats,
  type GgufItem,
  type GgufValue,
  memorySink,
  openSafetensors,
  readTensorBytes,
  type StoredDType,
  type StoredTensorInfo,
  writeGguf,
} from "tritlens";

type Json = Record<string, unknown>;

/** What the file holds, to be changed by tests. */
export interface GgufParts {
  readonly metadata: Map<string, GgufValue>;
  readonly tensors: GgufItem[];
}

/** Bytes of a GGUF file with the folder's model, BitNet's matrices as `matrixType`. */
export async function ggufOfFolder(folder: string, matrixType: "F32" | "I2_S" = "F32"): Promise<Uint8Array> {
  const sink = memorySink();
  await writeGguf(sink, await ggufParts(folder, matrixType));
  return sink.bytes;
}

/** The same before it is written. */
export async function ggufParts(folder: string, matrixType: "F32" | "I2_S" = "F32"): Promise<GgufParts> {
  const config = JSON.parse(readFileSync(`${folder}/config.json`, "utf8")) as Json;
  const files = await openSafetensors(folder);
  const tensors: Floats[] = [];
  for (const info of files.tensors.values()) if (!info.name.endsWith("weight_scale")) tensors.push(await floats(info, files.tensors));
  await files.close();
  const arch = ARCHITECTURES[config.model_type as string] as string;
  const named = tensors.flatMap((t) => rename(arch, t, config));
  return { metadata: metadataOf(arch, config, named), tensors: named.map((t) => item(t, matrixType)) };
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  gpt2: "gpt2",
  gpt_neox: "gptneox",
  llama: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  bitnet: "bitnet-b1.58",
};

interface Floats {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Codes and their scale, of BitNet's matrices. */
  readonly ternary?: number;
}

/** Values as floats; packed rows times their scale. */
async function floats(info: StoredTensorInfo, all: ReadonlyMap<string, StoredTensorInfo>): Promise<Floats> {
  const { name, dtype, shape } = info;
  const bytes = await readTensorBytes(info);
  const scale = all.get(`${name}_scale`);
  if (!scale) return { name, shape, data: decodeFloats(dtype as StoredDType, bytes) };
  const [value] = decodeFloats(scale.dtype, await readTensorBytes(scale)) as unknown as [number];
  const data = new Float32Array(bytes.length * 4);
  for (let i = 0; i < data.length; i++) {
    const code = ((bytes[i % bytes.length] as number) >> (2 * Math.floor(i / bytes.length))) & 3;
    data[i] = (code - 1) * value;
  }
  return { name, shape: [(shape[0] as number) * 4, shape[1] as number], data, ternary: value };
}

const BLOCK: readonly (readonly [RegExp, string])[] = [
  [/self_attn\.([qkv])_proj/, "attn_$1"],
  [/self_attn\.o_proj|attn\.c_proj|attention\.dense/, "attn_output"],
  [/self_attn\.([qk])_norm/, "attn_$1_norm"],
  [/self_attn\.attn_sub_norm/, "attn_sub_norm"],
  [/attn\.c_attn|attention\.query_key_value/, "attn_qkv"],
  [/mlp\.gate_proj/, "ffn_gate"],
  [/mlp\.(up_proj|c_fc|dense_h_to_4h)/, "ffn_up"],
  [/mlp\.(down_proj|c_proj|dense_4h_to_h)/, "ffn_down"],
  [/mlp\.ffn_sub_norm/, "ffn_sub_norm"],
  [/(input_layernorm|ln_1)/, "attn_norm"],
  [/(post_attention_layernorm|ln_2)/, "ffn_norm"],
];

const OUTSIDE: readonly (readonly [RegExp, string])[] = [
  [/(embed_tokens|wte|embed_in)\.weight$/, "token_embd.weight"],
  [/wpe\.weight$/, "position_embd.weight"],
  [/(model\.norm|ln_f|final_layer_norm)\.(\w+)$/, "output_norm.$2"],
  [/(lm_head|embed_out)\.weight$/, "output.weight"],
];

function rename(arch: string, t: Floats, config: Json): Floats[] {
  const block = /\.(?:h|layers)\.(\d+)\.(.+)\.(weight|bias)$/.exec(t.name);
  if (!block) {
    const [pattern, to] = OUTSIDE.find(([p]) => p.test(t.name)) as readonly [RegExp, string];
    return [{ ...t, name: (pattern.exec(t.name) as RegExpExecArray)[0].replace(pattern, to) }];
  }
  const [, layer, inner, kind] = block as unknown as [string, string, string, string];
  const [pattern, to] = BLOCK.find(([p]) => p.test(inner)) as readonly [RegExp, string];
  const name = `blk.${layer}.${inner.replace(pattern, to)}.${kind}`;
  return [{ ...arranged(arch, t, inner, config), name }];
}

/** Rows as llama.cpp wants them. */
function arranged(arch: string, t: Floats, inner: string, config: Json): Floats {
  if (arch === "gpt2" && t.shape.length === 2) return transposed(t);
  const heads = config.num_attention_heads as number;
  if (arch === "gptneox" && inner.endsWith("query_key_value")) {
    const dHead = (t.shape[0] as number) / (3 * heads);
    return rows(t, (r) => {
      const [part, head, i] = [Math.floor(r / (heads * dHead)), Math.floor(r / dHead) % heads, r % dHead];
      return (head * 3 + part) * dHead + i;
    });
  }
  const kv = (config.num_key_value_heads as number | undefined) ?? heads;
  const of = inner.endsWith("q_proj") ? heads : inner.endsWith("k_proj") ? kv : undefined;
  if (arch !== "llama" || of === undefined) return t;
  // reshape(heads, 2, dHead / 2).swapaxes(1, 2)
  const half = (t.shape[0] as number) / of / 2;
  return rows(t, (r) => Math.floor(r / (2 * half)) * 2 * half + (r % 2) * half + Math.floor((r % (2 * half)) / 2));
}

function rows(t: Floats, from: (row: number) => number): Floats {
  const cols = t.shape[1] ?? 1;
  const data = new Float32Array(t.data.length);
  for (let r = 0; r < (t.shape[0] as number); r++) data.set(t.data.subarray(from(r) * cols, (from(r) + 1) * cols), r * cols);
  return { ...t, data };
}

function transposed(t: Floats): Floats {
  if (!/c_attn|c_proj|c_fc/.test(t.name)) return t;
  const [n, m] = t.shape as [number, number];
  const data = Float32Array.from({ length: n * m }, (_, i) => t.data[(i % n) * m + Math.floor(i / n)] as number);
  return { ...t, shape: [m, n], data };
}

function item(t: Floats, matrixType: "F32" | "I2_S"): GgufItem {
  const { name, shape } = t;
  if (matrixType === "I2_S" && t.ternary !== undefined) return { name, type: "I2_S", shape, data: () => i2s(t.data, t.ternary as number) };
  return { name, type: "F32", shape, data: () => new Uint8Array(t.data.buffer) };
}

/** 128 codes in 32 bytes, the first 32 in the top bits; the scale in a tail of 32 bytes. */
function i2s(values: Float32Array, scale: number): Uint8Array {
  const out = new Uint8Array(values.length / 4 + 32);
  for (const [i, x] of values.entries()) {
    const [block, j] = [Math.floor(i / 128), i % 128];
    const at = block * 32 + (j % 32);
    out[at] = (out[at] as number) | ((Math.sign(x) + 1) << (6 - 2 * Math.floor(j / 32)));
  }
  new DataView(out.buffer).setFloat32(values.length / 4, scale, true);
  return out;
}

const u32 = (value: number): GgufValue => ({ type: "UINT32", value });
const f32 = (value: number): GgufValue => ({ type: "FLOAT32", value });
const text = (value: string): GgufValue => ({ type: "STRING", value });

function metadataOf(arch: string, c: Json, tensors: readonly Floats[]): Map<string, GgufValue> {
  const number = (...keys: string[]): number | undefined => keys.map((k) => c[k]).find((v) => typeof v === "number") as number | undefined;
  const rope = (c.rope_parameters ?? {}) as Json;
  const dModel = number("hidden_size", "n_embd") as number;
  const heads = number("num_attention_heads", "n_head") as number;
  const dHead = number("head_dim") ?? dModel / heads;
  const eps = number("rms_norm_eps");
  const out = new Map<string, GgufValue>([
    ["general.architecture", text(arch)],
    [`${arch}.block_count`, u32(number("num_hidden_layers", "n_layer") as number)],
    [`${arch}.context_length`, u32(number("max_position_embeddings", "n_positions") as number)],
    [`${arch}.embedding_length`, u32(dModel)],
    [`${arch}.feed_forward_length`, u32(tensors.find((t) => t.name === "blk.0.ffn_up.weight")?.shape[0] as number)],
    [`${arch}.attention.head_count`, u32(heads)],
    [`${arch}.attention.head_count_kv`, u32(number("num_key_value_heads") ?? heads)],
    eps === undefined
      ? [`${arch}.attention.layer_norm_epsilon`, f32(number("layer_norm_eps", "layer_norm_epsilon") as number)]
      : [`${arch}.attention.layer_norm_rms_epsilon`, f32(eps)],
  ]);
  if (typeof c.head_dim === "number") out.set(`${arch}.attention.key_length`, u32(dHead)).set(`${arch}.attention.value_length`, u32(dHead));
  if (typeof rope.rope_theta === "number") out.set(`${arch}.rope.freq_base`, f32(rope.rope_theta));
  if (typeof rope.partial_rotary_factor === "number") out.set(`${arch}.rope.dimension_count`, u32(dHead * rope.partial_rotary_factor));
  if (rope.rope_type === "linear")
    out.set(`${arch}.rope.scaling.type`, text("linear")).set(`${arch}.rope.scaling.factor`, f32(rope.factor as number));
  if (rope.rope_type === "yarn") {
    out.set(`${arch}.rope.scaling.type`, text("yarn")).set(`${arch}.rope.scaling.factor`, f32(rope.factor as number));
    out.set(`${arch}.rope.scaling.original_context_length`, u32(rope.original_max_position_embeddings as number));
  }
  if (typeof c.use_parallel_residual === "boolean") out.set(`${arch}.use_parallel_residual`, { type: "BOOL", value: c.use_parallel_residual });
  const act = (c.hidden_act ?? c.activation_function) as string;
  out.set(`${arch}.hidden_activation`, text(act));
  return out;
}
