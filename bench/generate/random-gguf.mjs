/**
 * Random GGUF files in the shape of BitNet b1.58 2B4T (hidden 2560, FFN 6912, 20 heads, 5 of them for keys, 30 layers), for measuring speed: the text is noise. The bytes depend
 * only on the options. Alone: `node bench/generate/random-gguf.mjs FILE [--type TQ2_0|TQ1_0|Q4_0] [--layers 30] [--vocab 512]`.
 */
import { existsSync, renameSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheDir } from "../../scripts/lib/cache.mjs";
import { asProgram, say } from "../../scripts/lib/run.mjs";
import { byteVocabulary, header } from "./gguf-header.mjs";

export const SHAPE = { hidden: 2560, ffn: 6912, heads: 20, kvHeads: 5, headDim: 128, layers: 30, vocab: 512, context: 4096 };

/** xorshift32: fast, and the same everywhere. */
function generator(seed) {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const f16 = (value) => {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0];
  const exponent = ((bits >>> 23) & 255) - 112;
  const sign = (bits >>> 16) & 0x8000;
  // Below the least normal number is nothing; nothing here is near the greatest.
  return exponent <= 0 ? sign : (sign | (exponent << 10) | ((bits >>> 13) & 1023)) + ((bits >>> 12) & 1);
};

/** Bytes of four 2-bit codes 0, 1, 2. */
const TWO_BITS = Uint8Array.from(
  { length: 81 },
  (_, n) => (n % 3) | ((Math.floor(n / 3) % 3) << 2) | ((Math.floor(n / 9) % 3) << 4) | (Math.floor(n / 27) << 6),
);
/** Bytes of five trits as fractions of 256, and of four. */
const FIVE_TRITS = Uint8Array.from({ length: 243 }, (_, n) => Math.floor((n * 256 + 242) / 243));
const FOUR_TRITS = Uint8Array.from({ length: 81 }, (_, n) => FIVE_TRITS[n * 3]);
const ANY = Uint8Array.from({ length: 256 }, (_, n) => n);

/** A block: weights, the scale, and runs of bytes drawn from tables, in the order of the file. */
const BLOCKS = {
  TQ2_0: { id: 35, weights: 256, scale: 0.02, parts: [[TWO_BITS, 64], "scale"] },
  TQ1_0: { id: 34, weights: 256, scale: 0.02, parts: [[FIVE_TRITS, 48], [FOUR_TRITS, 4], "scale"] },
  Q4_0: { id: 2, weights: 32, scale: 0.005, parts: ["scale", [ANY, 16]] },
};
export const TYPES = Object.keys(BLOCKS);

const bytesOf = (type) => BLOCKS[type].parts.reduce((sum, part) => sum + (part === "scale" ? 2 : part[1]), 0);

/** Fills `out` with blocks. A word of the generator gives two draws: its halves, scaled to the table. */
function fillBlocks(out, type, random) {
  const { parts, scale } = BLOCKS[type];
  const half = f16(scale);
  let at = 0;
  while (at < out.length) {
    for (const part of parts) {
      if (part === "scale") {
        out[at++] = half & 255;
        out[at++] = half >>> 8;
        continue;
      }
      const [table, count] = part;
      for (const end = at + count; at < end; ) {
        const word = random();
        out[at++] = table[((word & 0xffff) * table.length) >>> 16];
        out[at++] = table[((word >>> 16) * table.length) >>> 16];
      }
    }
  }
}

/** Normal numbers with deviation 0.02 as f16, from a table of 4096. */
function fillHalves(out, random) {
  const uniform = () => (random() + 0.5) / 2 ** 32;
  const table = Uint16Array.from({ length: 4096 }, () => f16(0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())));
  const halves = new Uint16Array(out.buffer, out.byteOffset, out.length / 2);
  for (let i = 0; i < halves.length; i++) halves[i] = table[random() >>> 20];
}

/** Name, type, rows and columns (one row: a vector) of every tensor, in the order of the file. */
export function tensorsOf({ hidden, ffn, kvHeads, headDim, layers, vocab }, type) {
  const one = (name, cols) => ({ name: `${name}.weight`, type: "F32", cols });
  const matrix = (name, rows, cols) => ({ name: `${name}.weight`, type, rows, cols });
  const block = (i) => [
    one(`blk.${i}.attn_norm`, hidden),
    one(`blk.${i}.attn_sub_norm`, hidden),
    one(`blk.${i}.ffn_norm`, hidden),
    one(`blk.${i}.ffn_sub_norm`, ffn),
    matrix(`blk.${i}.attn_q`, hidden, hidden),
    matrix(`blk.${i}.attn_k`, kvHeads * headDim, hidden),
    matrix(`blk.${i}.attn_v`, kvHeads * headDim, hidden),
    matrix(`blk.${i}.attn_output`, hidden, hidden),
    matrix(`blk.${i}.ffn_gate`, ffn, hidden),
    matrix(`blk.${i}.ffn_up`, ffn, hidden),
    matrix(`blk.${i}.ffn_down`, hidden, ffn),
  ];
  const blocks = Array.from({ length: layers }, (_, i) => block(i)).flat();
  return [{ ...matrix("token_embd", vocab, hidden), type: "F16" }, one("output_norm", hidden), ...blocks].map((tensor) => ({
    ...tensor,
    ...size(tensor),
  }));
}

function size({ type, rows = 1, cols }) {
  if (type === "F32") return { id: 0, bytes: rows * cols * 4 };
  if (type === "F16") return { id: 1, bytes: rows * cols * 2 };
  return { id: BLOCKS[type].id, bytes: rows * (cols / BLOCKS[type].weights) * bytesOf(type) };
}

const metadata = (shape) => ({
  "general.architecture": "bitnet",
  "general.name": "random-bitnet",
  "bitnet.context_length": ["u32", shape.context],
  "bitnet.embedding_length": ["u32", shape.hidden],
  "bitnet.block_count": ["u32", shape.layers],
  "bitnet.feed_forward_length": ["u32", shape.ffn],
  "bitnet.attention.head_count": ["u32", shape.heads],
  "bitnet.attention.head_count_kv": ["u32", shape.kvHeads],
  "bitnet.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "bitnet.rope.freq_base": ["f32", 500_000],
  "bitnet.rope.dimension_count": ["u32", shape.headDim],
  "bitnet.vocab_size": ["u32", shape.vocab],
  ...byteVocabulary(shape.vocab),
});

/** Rows whose bytes are made and written at once. */
const CHUNK = 8 << 20;

async function writeTensor(file, tensor, seed) {
  if (tensor.type === "F32") return file.write(new Uint8Array(new Float32Array(tensor.cols).fill(1).buffer));
  const random = generator(seed);
  const row = tensor.bytes / tensor.rows;
  const rows = Math.max(1, Math.floor(CHUNK / row));
  for (let first = 0; first < tensor.rows; first += rows) {
    const bytes = new Uint8Array(Math.min(rows, tensor.rows - first) * row);
    if (tensor.type === "F16") fillHalves(bytes, random);
    else fillBlocks(bytes, tensor.type, random);
    await file.write(bytes);
  }
}

/** Writes a file, by way of a temporary one. Throws when the disk has not room for it and a tenth more. */
export async function writeRandomGguf(path, type, shape = SHAPE) {
  const tensors = tensorsOf(shape, type);
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const { bavail, bsize } = statfsSync(join(path, ".."));
  if (bavail * bsize < total * 1.1)
    throw new Error(`${path} needs ${(total / 1e9).toFixed(2)} GB, the disk has ${((bavail * bsize) / 1e9).toFixed(2)}`);
  const file = await open(`${path}.part`, "w");
  await file.write(header(metadata(shape), tensors));
  // Every size here is a multiple of 32, the alignment of a file that names none.
  for (const [i, tensor] of tensors.entries()) await writeTensor(file, tensor, 0x9e3779b9 * (i + 1));
  await file.close();
  renameSync(`${path}.part`, path);
}

/** The file of a type in the cache folder, written when it is not there. */
export async function randomModel(type, shape = SHAPE) {
  const path = join(cacheDir("bench", "models"), `bitnet-${shape.layers}x${shape.hidden}-v${shape.vocab}-${type}.gguf`);
  if (!existsSync(path)) {
    say(`Writing ${path}`);
    await writeRandomGguf(path, type, shape);
  }
  return { path, bytes: statSync(path).size };
}

await asProgram(import.meta, async (args) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { type: { type: "string", default: "TQ2_0" }, layers: { type: "string", default: "30" }, vocab: { type: "string", default: "512" } },
  });
  await writeRandomGguf(positionals[0], values.type, { ...SHAPE, layers: Number(values.layers), vocab: Number(values.vocab) });
});
