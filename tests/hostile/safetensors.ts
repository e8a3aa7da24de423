/** Table S: 70 safetensors files. */
import { accepted, concat, f32, policy, type Row, refused, u64, utf8 } from "./row.ts";

/** A file from a header and a payload; `length` overrides the header's length field. */
export function file(header: string | Uint8Array, payload: number | Uint8Array = 0, length?: bigint): Uint8Array {
  const head = typeof header === "string" ? utf8(header) : header;
  return concat(u64(length ?? head.length), head, typeof payload === "number" ? new Uint8Array(payload) : payload);
}

const one = (dtype: unknown, shape: string, offsets: string, more = "") =>
  `{"a":{"dtype":${JSON.stringify(dtype)},"shape":${shape},"data_offsets":${offsets}${more}}}`;
const good = one("F32", "[2]", "[0,8]");
const two = (o1: string, o2: string) => `{"a":{"dtype":"F32","shape":[2],"data_offsets":${o1}},"b":{"dtype":"F32","shape":[2],"data_offsets":${o2}}}`;
const named = (name: string) => () => file(good.replace('"a"', JSON.stringify(name)), 8);
const withByte = (...bytes: number[]) => concat(utf8('{"'), Uint8Array.from(bytes), utf8(good.slice(3)));
const many = (count: number, entry: (i: number) => string) => `{${Array.from({ length: count }, (_, i) => entry(i)).join(",")}}`;

/** The index of row 69. */
export const ESCAPING_INDEX = '{"metadata":{"total_size":8},"weight_map":{"a":"../secret"}}';

export const TABLE_S: readonly Row[] = [
  refused("01_empty_file", () => new Uint8Array(0)),
  refused("02_7_bytes", () => new Uint8Array(7)),
  refused("03_len_only", () => file("", 0, 60n)),
  refused("04_len_zero", () => file("", 0, 0n)),
  refused("05_len_u64max", () => file(good, 8, 2n ** 64n - 1n)),
  refused("06_len_u64max_minus7", () => file(good, 8, 2n ** 64n - 8n)),
  refused("07_len_2p53p1", () => file(good, 8, 2n ** 53n + 1n)),
  refused("08_len_2p32_plus60", () => file(good, 8, 2n ** 32n + BigInt(good.length))),
  refused("09_len_100000001", () => file(good, 8, 100_000_001n)),
  refused("10_len_cuts_json", () => file(good, 8, BigInt(good.length - 1))),
  refused("11_len_eats_data", () => file(good, 8, BigInt(good.length + 1))),
  refused("12_not_utf8", () => file(withByte(0xff), 8)),
  refused("13_overlong_utf8", () => file(withByte(0xc0, 0xaf), 8)),
  refused("14_lone_surrogate", () => file(good.replace('"a"', '"\\ud800"'), 8)),
  refused("15_bom", () => file(concat(Uint8Array.of(0xef, 0xbb, 0xbf), utf8(good)), 8)),
  refused("16_array_top", () => file(`[${good}]`, 8)),
  policy("17_leading_ws", "refused", () => file(` ${good}`, 8)),
  accepted("18_trailing_ws", () => file(`${good}   `, 8)),
  refused("19_trailing_garbage_in_header", () => file(`${good}{}`, 8)),
  refused("20_nan_literal", () => file(one("F32", "[NaN]", "[0,8]"), 8)),
  refused("21_deep_nesting", () => file(`{"a":${"[".repeat(200_000)}`, 8)),
  refused("22_dup_tensor_key", () =>
    file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}', 12),
  ),
  refused("23_dup_tensor_key_same", () =>
    file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
  ),
  refused("24_dup_metadata", () => file(`{"__metadata__":{},"__metadata__":{},${good.slice(1)}`, 8)),
  refused("25_dup_key_in_info", () => file(one("F32", "[2]", "[0,8]", ',"shape":[2]'), 8)),
  refused("26_metadata_not_string", () => file(`{"__metadata__":{"x":1},${good.slice(1)}`, 8)),
  refused("27_metadata_is_tensor", () => file('{"__metadata__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8)),
  refused("28_unknown_dtype", () => file(one("Q4_0", "[2]", "[0,8]"), 8)),
  refused("29_lowercase_dtype", () => file(one("f32", "[2]", "[0,8]"), 8)),
  refused("30_missing_dtype", () => file('{"a":{"shape":[2],"data_offsets":[0,8]}}', 8)),
  refused("31_missing_offsets", () => file('{"a":{"dtype":"F32","shape":[2]}}', 8)),
  policy("32_unknown_field", "refused", () => file(one("F32", "[2]", "[0,8]", ',"x":1'), 8)),
  refused("33_three_offsets", () => file(one("F32", "[2]", "[0,8,8]"), 8)),
  refused("34_one_offset", () => file(one("F32", "[2]", "[8]"), 8)),
  refused("35_negative_offset", () => file(one("F32", "[2]", "[-8,0]"), 8)),
  refused("36_float_offset", () => file(one("F32", "[2]", "[0.0,8]"), 8)),
  refused("37_exp_offset", () => file(one("F32", "[1]", "[0,4e0]"), 4)),
  refused("38_string_shape", () => file(one("F32", '"2"', "[0,8]"), 8)),
  refused("39_negative_dim", () => file(one("F32", "[-2,-2]", "[0,16]"), 16)),
  refused("40_begin_after_end", () => file(one("F32", "[2]", "[8,0]"), 8)),
  refused("41_first_not_zero", () => file(one("F32", "[2]", "[4,12]"), 12)),
  refused("42_gap", () => file(two("[0,8]", "[12,20]"), 20)),
  refused("43_overlap", () => file(two("[0,8]", "[4,12]"), 12)),
  refused("44_alias", () =>
    file(
      many(1000, (i) => `"t${i}":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`),
      8,
    ),
  ),
  refused("45_trailing_bytes", () => file(good, 9)),
  refused("46_truncated_data", () => file(good, 6)),
  refused("47_size_mismatch", () => file(one("F32", "[3]", "[0,8]"), 8)),
  refused("48_product_wraps_to_4", () => file(one("F32", "[4611686018427387905]", "[0,4]"), 4)),
  refused("49_u64max_minus1_x2", () => file(one("U8", "[9223372036854775807,2]", "[0,0]"))),
  refused("50_bytes_wrap", () => file(one("F32", "[4611686018427387904]", "[0,0]"))),
  refused("51_wrap32", () => file(one("U8", "[65536,65536]", "[0,0]"))),
  refused("52_wrap32_plus", () => file(one("U8", "[4294967312]", "[0,16]"), 16)),
  policy("53_zero_times_huge", "refused", () => file(one("F32", "[0,9223372036854775808]", "[0,0]"))),
  policy("54_huge_then_zero", "refused", () => file(one("F32", "[9223372036854775808,9223372036854775808,0]", "[0,0]"))),
  accepted("55_rank_0", () => file(one("F32", "[]", "[0,4]"), 4)),
  policy("56_rank_65536", "refused", () => file(one("U8", `[${new Array(65536).fill(1).join(",")}]`, "[0,1]"), 1)),
  accepted("57_zero_dim", () => file(one("F32", "[2,0]", "[0,0]"))),
  policy("58_bool_2", "opens", () => file(one("BOOL", "[1]", "[0,1]"), Uint8Array.of(2))),
  accepted("59_f32_misaligned", () => file(`${good} `, f32(1.5, -2))),
  refused("60_f4_odd", () => file(one("F4", "[3]", "[0,1]"), 1)),
  accepted("61_proto_name", named("__proto__")),
  accepted("62_html_name", named("<img onerror=x>")),
  accepted("63_path_name", named("../../etc/x")),
  accepted("64_ansi_name", named("\u001b]0;x")),
  policy("65_empty_name", "opens", named("")),
  accepted("66_nan_payload", () => file(good, f32(Number.NaN, Number.POSITIVE_INFINITY))),
  accepted("67_zero_size_shares_offset", () =>
    file('{"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
  ),
  refused("68_dims_not_exact_in_f64", () => file(one("U8", "[9007199254740993]", "[0,0]"))),
  refused("69_index_path_escape", () => utf8(ESCAPING_INDEX)),
  policy("70_100k_tensors", "opens", () => file(many(100_000, (i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`))),
];
