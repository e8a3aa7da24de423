/** Table G: 80 GGUF files. Rows 66, 67, 68, 71 and 73 open; what is wrong with them shows when a model or a tokenizer is built. */
import { accepted, concat, f32, policy, type Row, refused, refusedLater, u32, u64, utf8 } from "./row.ts";

const [U8, I8, U32, F32V, BOOL, STR, ARR] = [0, 1, 4, 6, 7, 8, 9];
const [F32, Q4_0, TQ2_0] = [0, 2, 35];
const MAX = 2n ** 64n - 1n;

/** A string with its length. */
export const str = (text: string | Uint8Array): Uint8Array => {
  const bytes = typeof text === "string" ? utf8(text) : text;
  return concat(u64(bytes.length), bytes);
};
/** A key with a value of some type. */
export const kv = (key: string | Uint8Array, type: number, value: Uint8Array): Uint8Array => concat(str(key), u32(type), value);
const strings = (...items: string[]): Uint8Array => concat(u32(STR), u64(items.length), ...items.map(str));
const array = (type: number, count: bigint | number, content: Uint8Array = new Uint8Array(0)) => concat(u32(type), u64(count), content);

/** An entry of the tensor table; `dims` innermost first, as in the file. */
export const tensor = (name: string | Uint8Array, dims: readonly (bigint | number)[], type: number, offset: bigint | number): Uint8Array =>
  concat(str(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset));

interface Parts {
  readonly version?: number;
  readonly kvs?: readonly Uint8Array[];
  readonly tensors?: readonly Uint8Array[];
  readonly keyCount?: bigint;
  readonly tensorCount?: bigint;
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

const ARCHITECTURE = kv("general.architecture", STR, str("llama"));
const NAME = "token_embd.weight";

/** A file; without more said, one key and one tensor of 8 f32. */
export function gguf({ version = 3, kvs = [ARCHITECTURE], tensors = [tensor(NAME, [8], F32, 0)], alignment = 32, ...more }: Parts = {}): Uint8Array {
  const counts = [u64(more.tensorCount ?? tensors.length), u64(more.keyCount ?? kvs.length)];
  const header = concat(utf8("GGUF"), u32(version), ...counts, ...kvs, ...tensors);
  const padding = alignment > 0 && alignment <= 4096 ? (alignment - (header.length % alignment)) % alignment : 0;
  return concat(header, new Uint8Array(padding), more.data ?? new Uint8Array(32));
}

const keys = (...more: Uint8Array[]) => ({ kvs: [ARCHITECTURE, ...more] });
const aligned = (n: number) => gguf({ ...keys(kv("general.alignment", U32, u32(n))), alignment: n });
const only = (dims: readonly (bigint | number)[], type = F32, offset: bigint | number = 0, data = 32) =>
  gguf({ tensors: [tensor(NAME, dims, type, offset)], data: new Uint8Array(data) });
const pair = (second: bigint | number, data: number, dims: readonly (bigint | number)[] = [8]) =>
  gguf({ tensors: [tensor("a", dims, F32, 0), tensor("b", dims, F32, second)], data: new Uint8Array(data) });

/** A whole model of Llama's architecture: vocabulary 4, 32 channels, 2 heads, 1 block, and the tokenizer that goes with it. */
export function tinyLlama({ blocks = 1, layer = "0", epsilon = 1e-5, scores = array(F32V, 4, f32(0, 0, -1, -2)) } = {}): Uint8Array {
  const [d, ff, vocab] = [32, 64, 4];
  const number = (key: string, value: number) => kv(`llama.${key}`, U32, u32(value));
  const kvs = [
    ARCHITECTURE,
    number("block_count", blocks),
    number("context_length", 16),
    number("embedding_length", d),
    number("feed_forward_length", ff),
    number("attention.head_count", 2),
    number("attention.head_count_kv", 2),
    kv("llama.attention.layer_norm_rms_epsilon", F32V, f32(epsilon)),
    number("rope.dimension_count", d / 2),
    number("vocab_size", vocab),
    kv("tokenizer.ggml.model", STR, str("llama")),
    kv("tokenizer.ggml.tokens", ARR, strings("<unk>", "<s>", "</s>", "▁a")),
    kv("tokenizer.ggml.scores", ARR, scores),
    kv("tokenizer.ggml.token_type", ARR, array(5, 4, concat(u32(2), u32(3), u32(3), u32(1)))),
  ];
  const shapes: [string, number[]][] = [
    [NAME, [d, vocab]],
    [`blk.${layer}.attn_norm.weight`, [d]],
    ...["attn_q", "attn_k", "attn_v", "attn_output"].map((name): [string, number[]] => [`blk.${layer}.${name}.weight`, [d, d]]),
    [`blk.${layer}.ffn_norm.weight`, [d]],
    [`blk.${layer}.ffn_gate.weight`, [d, ff]],
    [`blk.${layer}.ffn_up.weight`, [d, ff]],
    [`blk.${layer}.ffn_down.weight`, [ff, d]],
    ["output_norm.weight", [d]],
    ["output.weight", [d, vocab]],
  ];
  let at = 0;
  const tensors = shapes.map(([name, dims]) => {
    const entry = tensor(name, dims, F32, at);
    at += 4 * dims.reduce((n, x) => n * x, 1);
    return entry;
  });
  return gguf({ kvs, tensors, data: new Uint8Array(at) });
}

const cut = (id: string, at: number): Row => refused(id, () => gguf().slice(0, at));

export const TABLE_G: readonly Row[] = [
  accepted("00_ok", () => gguf()),
  refused("01_empty", () => new Uint8Array(0)),
  refused("02_magic_only", () => utf8("GGUF")),
  refused("03_bad_magic", () => concat(utf8("GGML"), gguf().slice(4))),
  refused("04_ver_0", () => gguf({ version: 0 })),
  refused("05_ver_1", () => gguf({ version: 1 })),
  refused("06_ver_4", () => gguf({ version: 4 })),
  refused("07_big_endian", () => gguf({ version: 0x03000000 })),
  refused("08_nt_minus1", () => gguf({ tensorCount: MAX })),
  refused("09_nk_minus1", () => gguf({ keyCount: MAX })),
  refused("10_nt_2p40", () => gguf({ tensorCount: 2n ** 40n })),
  refused("11_nk_2p40", () => gguf({ keyCount: 2n ** 40n })),
  refused("12_nt_2p32_plus1", () => gguf({ tensorCount: 2n ** 32n + 1n })),
  refused("13_nk_2p61", () => gguf({ keyCount: 2n ** 61n })),
  refused("14_key_len_max", () => gguf(keys(concat(u64(MAX), utf8("k"), u32(U32), u32(1))))),
  refused("15_key_len_1gib", () => gguf(keys(concat(u64(2 ** 30), utf8("k"), u32(U32), u32(1))))),
  refused("16_key_empty", () => gguf(keys(kv("", U32, u32(1))))),
  policy("17_key_65536", "refused", () => gguf(keys(kv("k".repeat(65536), U32, u32(1))))),
  refused("18_key_not_utf8", () => gguf(keys(kv(Uint8Array.of(0x61, 0xff), U32, u32(1))))),
  refused("19_key_nul", () => gguf(keys(kv("a\0b", U32, u32(1))))),
  refused("20_dup_key", () => gguf(keys(kv("k", U32, u32(1)), kv("k", U32, u32(1))))),
  refused("21_type_13", () => gguf(keys(kv("k", 13, u32(1))))),
  refused("22_type_max", () => gguf(keys(kv("k", 0xffffffff, u32(1))))),
  refused("23_str_len_past_eof", () => gguf(keys(kv("k", STR, concat(u64(1_000_000), utf8("abc")))))),
  policy("24_str_not_utf8", "opens", () => gguf(keys(kv("k", STR, str(Uint8Array.of(0x61, 0xff)))))),
  refused("25_arr_len_max", () => gguf(keys(kv("k", ARR, array(U32, MAX))))),
  refused("26_arr_1gib_u8", () => gguf(keys(kv("k", ARR, array(U8, 2 ** 30, new Uint8Array(4)))))),
  refused("27_arr_str_many_empty", () => gguf(keys(kv("k", ARR, array(STR, 2n ** 40n, new Uint8Array(64)))))),
  refused("28_arr_nested_20000", () => gguf(keys(kv("k", ARR, concat(...Array.from({ length: 20_000 }, () => array(ARR, 1))))))),
  refused("29_arr_type_13", () => gguf(keys(kv("k", ARR, array(13, 1, u32(1)))))),
  refused("30_bool_2", () => gguf(keys(kv("k", BOOL, Uint8Array.of(2))))),
  refused("31_align_0", () => aligned(0)),
  refused("32_align_13", () => aligned(13)),
  refused("33_align_type_str", () => gguf(keys(kv("general.alignment", STR, str("32"))))),
  refused("34_align_2p31", () => aligned(2 ** 31)),
  policy("35_align_4", "refused", () => aligned(4)),
  refused("36_name_len_max", () => gguf({ tensors: [concat(u64(MAX), tensor("a", [8], F32, 0).slice(8))] })),
  policy("37_name_64", "opens", () => gguf({ tensors: [tensor("n".repeat(64), [8], F32, 0)] })),
  refused("38_name_dup", () => gguf({ tensors: [tensor("a", [8], F32, 0), tensor("a", [8], F32, 32)], data: new Uint8Array(64) })),
  refused("39_ndims_5", () => only([1, 1, 1, 1, 8])),
  refused("40_ndims_u32max", () => gguf({ tensors: [concat(str(NAME), u32(0xffffffff), u64(8), u32(F32), u64(0))] })),
  policy("41_ndims_0", "opens", () => only([], F32, 0, 4)),
  policy("42_dim_0", "opens", () => only([8, 0], F32, 0, 0)),
  refused("43_dim_neg", () => only([-1])),
  refused("44_dims_wrap_to_0", () => only([2n ** 32n, 2n ** 32n])),
  refused("45_dims_wrap_to_8", () => only([2n ** 62n + 2n])),
  refused("46_bytes_wrap", () => only([2n ** 62n])),
  refused("47_sum_wraps", () => pair(2n ** 63n, 64, [2n ** 61n])),
  refused("48_wrap32", () => only([2n ** 32n + 8n])),
  refused("49_type_max", () => only([8], 0xffffffff)),
  refused("50_type_removed_4", () => only([8], 4)),
  refused("51_type_1000", () => only([8], 1000)),
  refused("52_row_not_block", () => only([31, 2], Q4_0, 0, 64)),
  refused("53_off_unaligned", () => only([8], F32, 4, 64)),
  refused("54_off_past_eof", () => only([8], F32, 1 << 20)),
  refused("55_off_wraps", () => only([8], F32, MAX - 31n)),
  refused("56_overlap", () => pair(0, 64)),
  policy("57_gap", "opens", () => pair(64, 96)),
  refused("58_data_short", () => only([8], F32, 0, 31)),
  refused("59_data_missing", () => gguf({ alignment: 1, data: new Uint8Array(0) })),
  policy("60_trailing", "opens", () => only([8], F32, 0, 32 + (1 << 20))),
  cut("61_cut_0", 5),
  cut("61_cut_1", 12),
  cut("61_cut_2", 23),
  cut("61_cut_3", 25),
  cut("61_cut_4", 40),
  cut("61_cut_5", 97),
  cut("61_cut_6", 105),
  policy("62_many_tiny_keys", "opens", () => gguf(keys(...Array.from({ length: 30_000 }, (_, i) => kv(`k${i}`, U8, Uint8Array.of(1)))))),
  accepted("63_proto_key", () => gguf(keys(kv("__proto__", U32, u32(1))))),
  policy("64_jinja_template", "opens", () =>
    gguf(keys(kv("tokenizer.chat_template", STR, str("{{ ''.__class__.__mro__[1].__subclasses__() }}{{ constructor.constructor('throw 1')() }}")))),
  ),
  refused("65_q4_bytes_wrap", () => only([2n ** 60n], Q4_0)),
  refusedLater("66_layer_index_huge", "model", () => tinyLlama({ layer: "18446744073709551616" })),
  refusedLater("67_block_count_0", "model", () => tinyLlama({ blocks: 0 })),
  refusedLater("68_block_count_2p31", "model", () => tinyLlama({ blocks: 2 ** 31 })),
  policy("69_f32_nan_scale", "opens", () => gguf(keys(kv("llama.rope.freq_base", F32V, f32(Number.NaN))))),
  policy("70_ternary_invalid_code", "opens", () =>
    gguf({ tensors: [tensor(NAME, [256], TQ2_0, 0)], data: concat(new Uint8Array(64).fill(0xff), Uint8Array.of(0, 0x3c)) }),
  ),
  refusedLater("71_arr_elem_type", "tokenizer", () => tinyLlama({ scores: array(I8, 4, new Uint8Array(4)) })),
  refused("72_pad_wraps", () => only([2n ** 64n - 4n], 24)),
  refusedLater("73_tokens_scores_len", "tokenizer", () => tinyLlama({ scores: array(F32V, 1, f32(0)) })),
];
