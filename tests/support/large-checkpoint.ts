/** Writes checkpoints of BitNet-2B's shape with random packed weights, fast: one MB of noise is repeated, so that writing costs little more than the disk. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { type GgufValue, writeGguf } from "tritlens";

/** Sizes of the published 2B model. */
export const SHAPE = { dModel: 2560, dMlp: 6912, heads: 20, kvHeads: 5, dHead: 128, vocabulary: 128_256, context: 4096 } as const;

/** Parameters of a block: name in GGUF, name in transformers, [out, in]. */
const MATRICES: readonly (readonly [gguf: string, hf: string, rows: number, cols: number])[] = [
  ["attn_q", "self_attn.q_proj", 2560, 2560],
  ["attn_k", "self_attn.k_proj", 640, 2560],
  ["attn_v", "self_attn.v_proj", 640, 2560],
  ["attn_output", "self_attn.o_proj", 2560, 2560],
  ["ffn_gate", "mlp.gate_proj", 6912, 2560],
  ["ffn_up", "mlp.up_proj", 6912, 2560],
  ["ffn_down", "mlp.down_proj", 2560, 6912],
];
const NORMS: readonly (readonly [gguf: string, hf: string, size: number])[] = [
  ["attn_norm", "input_layernorm", 2560],
  ["ffn_norm", "post_attention_layernorm", 2560],
  ["attn_sub_norm", "self_attn.attn_sub_norm", 2560],
  ["ffn_sub_norm", "mlp.ffn_sub_norm", 6912],
];

/** A small generator of noise; tests of memory need no better one. */
function noise(length: number): Uint8Array {
  const out = new Uint8Array(length);
  let x = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    out[i] = x & 0xff;
  }
  return out;
}

/** Bytes of four codes 0..2 each. */
const CODES: readonly number[] = Array.from({ length: 81 }, (_, i) =>
  [0, 1, 2, 3].reduce((b, k) => b | ((Math.floor(i / 3 ** k) % 3) << (2 * k)), 0),
);

/** Repeats a block. */
function filled(length: number, block: Uint8Array): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += block.length) out.set(block.subarray(0, Math.min(block.length, length - at)), at);
  return out;
}

const codes = noise(1 << 20).map((b) => CODES[b % 81] as number);

/** 256 weights: 64 bytes of codes and their scale 2^-5 as f16. */
function tq2(rows: number, cols: number): Uint8Array {
  const block = new Uint8Array(66 * 4096);
  for (let b = 0; b < 4096; b++) {
    block.set(codes.subarray(b * 64, b * 64 + 64), b * 66);
    block.set([0x00, 0x28], b * 66 + 64);
  }
  return filled((rows * cols * 66) / 256, block);
}

/** Halves or bf16 of about +-0.02: random fractions and signs under one exponent. */
function small(count: number, high: number): Uint8Array {
  const block = noise(1 << 20);
  for (let i = 1; i < block.length; i += 2) block[i] = high | ((block[i] as number) & 0x80);
  return filled(2 * count, block);
}

const ones = (n: number): Uint8Array => new Uint8Array(new Float32Array(n).fill(1).buffer);

/** A GGUF file with TQ2_0 matrices and an F16 embedding. */
export async function writeLargeGguf(path: string, layers: number): Promise<void> {
  const at = "bitnet-b1.58";
  const u32 = (value: number): GgufValue => ({ type: "UINT32", value });
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", { type: "STRING", value: at }],
    [`${at}.block_count`, u32(layers)],
    [`${at}.context_length`, u32(SHAPE.context)],
    [`${at}.embedding_length`, u32(SHAPE.dModel)],
    [`${at}.feed_forward_length`, u32(SHAPE.dMlp)],
    [`${at}.attention.head_count`, u32(SHAPE.heads)],
    [`${at}.attention.head_count_kv`, u32(SHAPE.kvHeads)],
    [`${at}.attention.layer_norm_rms_epsilon`, { type: "FLOAT32", value: 1e-5 }],
    [`${at}.rope.freq_base`, { type: "FLOAT32", value: 500_000 }],
  ]);
  const block = (i: number) => [
    ...MATRICES.map(([name, , rows, cols]) => ({ name: `blk.${i}.${name}.weight`, type: "TQ2_0", shape: [rows, cols], data: () => tq2(rows, cols) })),
    ...NORMS.map(([name, , n]) => ({ name: `blk.${i}.${name}.weight`, type: "F32", shape: [n], data: () => ones(n) })),
  ];
  const { vocabulary, dModel } = SHAPE;
  await writeGguf(path, {
    metadata,
    tensors: [
      { name: "token_embd.weight", type: "F16", shape: [vocabulary, dModel], data: () => small(vocabulary * dModel, 0x24) },
      ...Array.from({ length: layers }, (_, i) => block(i)).flat(),
      { name: "output_norm.weight", type: "F32", shape: [dModel], data: () => ones(dModel) },
    ],
  });
}

/** A folder of transformers with packed U8 rows and a BF16 embedding. */
export function writeLargeFolder(folder: string, layers: number): void {
  mkdirSync(folder, { recursive: true });
  const { vocabulary, dModel } = SHAPE;
  const config = {
    architectures: ["BitNetForCausalLM"],
    model_type: "bitnet",
    vocab_size: vocabulary,
    hidden_size: dModel,
    intermediate_size: SHAPE.dMlp,
    num_hidden_layers: layers,
    num_attention_heads: SHAPE.heads,
    num_key_value_heads: SHAPE.kvHeads,
    max_position_embeddings: SHAPE.context,
    hidden_act: "relu2",
    rope_theta: 500_000,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    quantization_config: { quant_method: "bitnet", linear_class: "autobitlinear", quantization_mode: "offline" },
  };
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  const entries: Entry[] = [["model.embed_tokens.weight", "BF16", [vocabulary, dModel], () => small(vocabulary * dModel, 0x3c)]];
  for (let i = 0; i < layers; i++) {
    for (const [, name, rows, cols] of MATRICES) {
      entries.push([`model.layers.${i}.${name}.weight`, "U8", [rows / 4, cols], () => filled((rows * cols) / 4, codes)]);
      entries.push([`model.layers.${i}.${name}.weight_scale`, "F32", [1], () => ones(1)]);
    }
    for (const [, name, n] of NORMS) entries.push([`model.layers.${i}.${name}.weight`, "F32", [n], () => ones(n)]);
  }
  entries.push(["model.norm.weight", "F32", [dModel], () => ones(dModel)]);
  writeEntries(`${folder}/model.safetensors`, entries);
}

type Entry = readonly [name: string, dtype: "BF16" | "U8" | "F32", shape: readonly number[], data: () => Uint8Array];

/** Tensors in the order given, which is not by width: readers must not expect alignment. */
function writeEntries(path: string, entries: readonly Entry[]): void {
  let at = 0;
  const header = entries.map(([name, dtype, shape]) => {
    const bytes = shape.reduce((a, b) => a * b, 1) * { BF16: 2, U8: 1, F32: 4 }[dtype];
    at += bytes;
    return [name, { dtype, shape, data_offsets: [at - bytes, at] }] as const;
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, "w");
  try {
    for (const bytes of [length, text]) writeSync(file, bytes);
    for (const [, , , data] of entries) writeSync(file, data());
  } finally {
    closeSync(file);
  }
}
