import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TritlensError } from "../core/errors.ts";
import { Tensor } from "../tensor/index.ts";
import { checksumPlaceholder, sealChecksum, verifyChecksum } from "./checksum.ts";
import { decodeFloats, decodeInts } from "./dtype.ts";
import { parseSafetensors, serializeSafetensors, toTensor } from "./safetensors.ts";
import { parseShardIndex } from "./shards.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A file from a header and a payload; `length` overrides the header's length field. */
function file(header: string | Uint8Array, payload: number | Uint8Array = 0, length?: bigint): Uint8Array {
  const head = typeof header === "string" ? utf8(header) : header;
  const body = typeof payload === "number" ? new Uint8Array(payload) : payload;
  const out = new Uint8Array(8 + head.length + body.length);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(head.length), true);
  out.set(head, 8);
  out.set(body, 8 + head.length);
  return out;
}

const one = (dtype: unknown, shape: string, offsets: string, more = "") =>
  `{"a":{"dtype":${JSON.stringify(dtype)},"shape":${shape},"data_offsets":${offsets}${more}}}`;
const good = one("F32", "[2]", "[0,8]");
const two = (o1: string, o2: string) => `{"a":{"dtype":"F32","shape":[2],"data_offsets":${o1}},"b":{"dtype":"F32","shape":[2],"data_offsets":${o2}}}`;

/** The rows of the corpus that a loader must refuse (reliability study, table S), by their ids there. */
const REFUSED: Record<string, Uint8Array> = {
  "01_empty_file": new Uint8Array(0),
  "02_7_bytes": new Uint8Array(7),
  "03_len_only": file("", 0, 60n),
  "04_len_zero": file("", 0, 0n),
  "05_len_u64max": file(good, 8, 2n ** 64n - 1n),
  "06_len_u64max_minus7": file(good, 8, 2n ** 64n - 8n),
  "07_len_2p53p1": file(good, 8, 2n ** 53n + 1n),
  "08_len_2p32_plus60": file(good, 8, 2n ** 32n + BigInt(good.length)),
  "09_len_100000001": file(good, 8, 100_000_001n),
  "10_len_cuts_json": file(good, 8, BigInt(good.length - 1)),
  "11_len_eats_data": file(good, 8, BigInt(good.length + 1)),
  "12_not_utf8": file(Uint8Array.from([...utf8('{"'), 0xff, ...utf8(good.slice(3))]), 8),
  "13_overlong_utf8": file(Uint8Array.from([...utf8('{"'), 0xc0, 0xaf, ...utf8(good.slice(3))]), 8),
  "14_lone_surrogate": file(good.replace('"a"', '"\\ud800"'), 8),
  "15_bom": file(Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8(good)]), 8),
  "16_array_top": file(`[${good}]`, 8),
  "17_leading_ws (policy)": file(` ${good}`, 8),
  "19_trailing_garbage_in_header": file(`${good}{}`, 8),
  "20_nan_literal": file(one("F32", "[NaN]", "[0,8]"), 8),
  "21_deep_nesting": file(`{"a":${"[".repeat(200_000)}`, 8),
  "22_dup_tensor_key": file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12),
  "23_dup_tensor_key_same": file(
    `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`,
    8,
  ),
  "24_dup_metadata": file(`{"__metadata__":{},"__metadata__":{},${good.slice(1)}`, 8),
  "25_dup_key_in_info": file(one("F32", "[2]", "[0,8]", ',"shape":[2]'), 8),
  "26_metadata_not_string": file(`{"__metadata__":{"x":1},${good.slice(1)}`, 8),
  "27_metadata_is_tensor": file(`{"__metadata__":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8),
  "28_unknown_dtype": file(one("Q4_0", "[2]", "[0,8]"), 8),
  "29_lowercase_dtype": file(one("f32", "[2]", "[0,8]"), 8),
  "30_missing_dtype": file('{"a":{"shape":[2],"data_offsets":[0,8]}}', 8),
  "31_missing_offsets": file('{"a":{"dtype":"F32","shape":[2]}}', 8),
  "32_unknown_field (policy)": file(one("F32", "[2]", "[0,8]", ',"x":1'), 8),
  "33_three_offsets": file(one("F32", "[2]", "[0,8,8]"), 8),
  "34_one_offset": file(one("F32", "[2]", "[8]"), 8),
  "35_negative_offset": file(one("F32", "[2]", "[-8,0]"), 8),
  "36_float_offset": file(one("F32", "[2]", "[0.0,8]"), 8),
  "37_exp_offset": file(one("F32", "[1]", "[0,4e0]"), 4),
  "38_string_shape": file(one("F32", '"2"', "[0,8]"), 8),
  "39_negative_dim": file(one("F32", "[-2,-2]", "[0,16]"), 16),
  "40_begin_after_end": file(one("F32", "[2]", "[8,0]"), 8),
  "41_first_not_zero": file(one("F32", "[2]", "[4,12]"), 12),
  "42_gap": file(two("[0,8]", "[12,20]"), 20),
  "43_overlap": file(two("[0,8]", "[4,12]"), 12),
  "44_alias": file(two("[0,8]", "[0,8]"), 8),
  "45_trailing_bytes": file(good, 9),
  "46_truncated_data": file(good, 6),
  "47_size_mismatch": file(one("F32", "[3]", "[0,8]"), 8),
  "48_product_wraps_to_4": file(one("F32", "[4611686018427387905]", "[0,4]"), 4),
  "49_u64max_minus1_x2": file(one("U8", "[9223372036854775807,2]", "[0,0]"), 0),
  "50_bytes_wrap": file(one("F32", "[4611686018427387904]", "[0,0]"), 0),
  "51_wrap32": file(one("U8", "[65536,65536]", "[0,0]"), 0),
  "52_wrap32_plus": file(one("U8", "[4294967312]", "[0,16]"), 16),
  "53_zero_times_huge (policy)": file(one("F32", "[0,9223372036854775808]", "[0,0]"), 0),
  "54_huge_then_zero (policy)": file(one("F32", "[9223372036854775808,9223372036854775808,0]", "[0,0]"), 0),
  "56_rank_65536 (policy)": file(one("U8", `[${new Array(65536).fill(1).join(",")}]`, "[0,1]"), 1),
  "60_f4_odd": file(one("F4", "[3]", "[0,1]"), 1),
  "68_dims_not_exact_in_f64": file(one("U8", "[9007199254740993]", "[0,0]"), 0),
};

const named = (name: string) => file(good.replace('"a"', JSON.stringify(name)), 8);

/** Rows that must be accepted. */
const ACCEPTED: Record<string, [Uint8Array, (t: ReturnType<typeof parseSafetensors>) => void]> = {
  "18_trailing_ws": [file(`${good}   `, 8), (f) => expect(f.tensors.size).toBe(1)],
  "55_rank_0": [file(one("F32", "[]", "[0,4]"), 4), (f) => expect(f.tensors.get("a")?.shape).toEqual([])],
  "57_zero_dim": [file(one("F32", "[2,0]", "[0,0]"), 0), (f) => expect(toTensor(f.tensors.get("a")!).size).toBe(0)],
  "58_bool_2 (policy)": [file(one("BOOL", "[1]", "[0,1]"), Uint8Array.of(2)), (f) => expect(toTensor(f.tensors.get("a")!).data[0]).toBe(1)],
  "59_f32_misaligned": [
    file(`${good} `, new Uint8Array(new Float32Array([1.5, -2]).buffer)),
    (f) => expect([...toTensor(f.tensors.get("a")!).data]).toEqual([1.5, -2]),
  ],
  "61_proto_name": [named("__proto__"), (f) => expect(f.tensors.has("__proto__")).toBe(true)],
  "62_html_name": [named("<img onerror=x>"), (f) => expect(f.tensors.has("<img onerror=x>")).toBe(true)],
  "63_path_name": [named("../../etc/x"), (f) => expect(f.tensors.has("../../etc/x")).toBe(true)],
  "64_ansi_name": [named("\u001b]0;x"), (f) => expect(f.tensors.has("\u001b]0;x")).toBe(true)],
  "65_empty_name (policy)": [named(""), (f) => expect(f.tensors.has("")).toBe(true)],
  "66_nan_payload": [
    file(good, new Uint8Array(new Float32Array([Number.NaN, 1]).buffer)),
    (f) => expect(toTensor(f.tensors.get("a")!).data[0]).toBeNaN(),
  ],
  "67_zero_size_shares_offset": [
    file('{"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    (f) => expect(f.tensors.size).toBe(2),
  ],
};

describe("table S", () => {
  it.each(Object.entries(REFUSED))("refuses %s", (_, bytes) => {
    const start = process.cpuUsage().user;
    let error: unknown;
    try {
      parseSafetensors(bytes);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(TritlensError);
    expect(error).toMatchObject({ code: "E_FORMAT", expected: expect.any(String), found: expect.any(String) });
    expect(process.cpuUsage().user - start, "microseconds").toBeLessThan(500_000);
  });
  it.each(Object.entries(ACCEPTED))("accepts %s", (_, [bytes, check]) => check(parseSafetensors(bytes)));

  it("69_index_path_escape: refuses an index that leaves its folder", () => {
    for (const path of ["../secret", "/etc/passwd", "a/b", "..", "a\\\\b"]) {
      expect(() => parseShardIndex(`{"metadata":{"total_size":8},"weight_map":{"a":"${path}"}}`)).toThrow(/E_FORMAT.*bare file name/);
    }
    expect(parseShardIndex('{"weight_map":{"a":"model-1.safetensors"}}').get("a")).toBe("model-1.safetensors");
  });
  it("70_100k_tensors: accepts them in linear time", () => {
    const seconds = (count: number): number => {
      const entries = Array.from({ length: count }, (_, i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`);
      const bytes = file(`{${entries.join(",")}}`);
      const start = process.cpuUsage().user;
      expect(parseSafetensors(bytes).tensors.size).toBe(count);
      return process.cpuUsage().user - start;
    };
    seconds(10_000);
    // Ten times the tensors; quadratic work would take a hundred times as long.
    expect(seconds(100_000) / Math.max(seconds(10_000), 1000)).toBeLessThan(40);
  });
});

describe("round trip", () => {
  it("keeps every value, name and string", () => {
    const tensors: [string, Tensor<Float32Array | Int8Array | Int32Array>][] = [
      ["b", Tensor.from(Int8Array.of(-1, 0, 1), [3])],
      ["__proto__", Tensor.from(Float32Array.of(1.5, Number.NaN, Number.NEGATIVE_INFINITY, -0), [2, 2])],
      ["naïve 東京\n", Tensor.from(Int32Array.of(-7), [])],
    ];
    const bytes = serializeSafetensors(tensors, new Map([["k", 'v"\\']]));
    const back = parseSafetensors(bytes);
    expect(back.metadata.get("k")).toBe('v"\\');
    for (const [name, t] of tensors) expect(toTensor(back.tensors.get(name)!).data).toEqual(Float32Array.from(t.data));
    expect(decodeInts("I8", back.tensors.get("b")!.bytes)).toEqual(Int32Array.of(-1, 0, 1));
  });
  it("reads Node's Buffers, whose slices are views", async () => {
    const bytes = Buffer.from(
      await sealChecksum(serializeSafetensors([["w", Tensor.from(Float32Array.of(1.5), [1])]], new Map([checksumPlaceholder()]))),
    );
    const before = Buffer.from(new Uint8Array(bytes));
    await verifyChecksum(bytes);
    const { data } = toTensor(parseSafetensors(bytes).tensors.get("w")!);
    expect([...data]).toEqual([1.5]);
    data[0] = 7;
    expect(bytes.equals(before)).toBe(true);
  });
  it("never throws anything untyped on mutated files", () => {
    const base = serializeSafetensors([["w", Tensor.from(Float32Array.of(1, 2, 3), [3])]], new Map([["a", "b"]]));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(base.length), (edits, cut) => {
        const bytes = base.slice(0, cut);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        try {
          parseSafetensors(bytes);
        } catch (e) {
          expect(e).toBeInstanceOf(TritlensError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("decodeFloats", () => {
  const bytes = (...b: number[]) => Uint8Array.from(b);
  it("reads halves exactly", () => {
    expect([...decodeFloats("F16", bytes(0x00, 0x3c, 0x01, 0x00, 0xff, 0x7b, 0x00, 0xfc))]).toEqual([1, 2 ** -24, 65504, Number.NEGATIVE_INFINITY]);
    expect([...decodeFloats("BF16", bytes(0x80, 0x3f, 0x49, 0xc0))]).toEqual([1, -3.140625]);
  });
  it("reads integers and doubles", () => {
    expect([...decodeFloats("I64", bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))]).toEqual([-1]);
    expect([...decodeFloats("F64", new Uint8Array(new Float64Array([0.5]).buffer))]).toEqual([0.5]);
    expect(() => decodeInts("F32", bytes(0, 0, 0, 0))).toThrow(/E_FORMAT/);
  });
});

describe("checksum", () => {
  const sealed = () =>
    sealChecksum(serializeSafetensors([["w", Tensor.from(Float32Array.of(1, 2), [2])]], new Map([checksumPlaceholder(), ["step", "3"]])));
  it("accepts the file as written", async () => {
    await expect(verifyChecksum(await sealed())).resolves.toBeUndefined();
  });
  it("finds every single flipped bit and every truncation", async () => {
    const bytes = await sealed();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = bytes.slice();
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
      await expect(verifyChecksum(copy), `bit ${bit}`).rejects.toMatchObject({ code: "E_CHECKPOINT" });
    }
    for (let n = 0; n < bytes.length; n += 7) await expect(verifyChecksum(bytes.subarray(0, n))).rejects.toMatchObject({ code: "E_CHECKPOINT" });
  });
});
