/**
 * Tables S and G of the reliability study, one test a row, and files of other kinds. The parsers are the same for every backend; each is asked all the
 * same, so that the verdicts cannot come apart.
 */

import { type ByteSource, detectFormat, openGguf, openSafetensors, parseSafetensors, parseShardIndex, readTensorBytes } from "tritlens/io";
import { beforeAll, describe, expect, it } from "vitest";
import { coreUnderTest } from "../conformance/support.ts";
import { TABLE_G } from "./gguf.ts";
import { costOf, countingSource } from "./measure.ts";
import { OTHERS, SWAPPED } from "./others.ts";
import type { Row } from "./row.ts";
import { ESCAPING_INDEX, TABLE_S } from "./safetensors.ts";

type Open = (source: ByteSource) => Promise<{ readonly tensors: ReadonlyMap<string, unknown> }>;

/** Of one refusal: time, and memory beyond the file. */
const [MILLISECONDS, BYTES] = [50, 1 << 20];

const typed = { name: "TritlensError", code: "E_FORMAT", expected: expect.any(String), found: expect.any(String) };

beforeAll(async () => {
  await coreUnderTest();
});

function judge(table: readonly Row[], open: Open): void {
  it.each(table.filter((row) => row.verdict === "refused").map((row) => [row.id, row.want, row] as const))(
    "refuses %s (%s)",
    async (_id, want, row) => {
      const bytes = row.bytes();
      await expect(open(countingSource(bytes))).rejects.toMatchObject(typed);
      if (want !== "R") return;
      const cost = await costOf(bytes, open);
      expect(cost.milliseconds, "milliseconds").toBeLessThan(MILLISECONDS);
      expect(cost.allocated, "bytes of typed arrays").toBeLessThan(BYTES);
      expect(cost.heap, "bytes of heap").toBeLessThan(BYTES);
      expect(cost.read, "bytes read").toBeLessThanOrEqual(2 * bytes.length);
    },
  );
  it.each(table.filter((row) => row.verdict !== "refused").map((row) => [row.id, row.want, row] as const))(
    "opens %s (%s)",
    async (_id, _want, row) => {
      expect((await open(countingSource(row.bytes()))).tensors.size).toBeGreaterThan(0);
    },
  );
}

describe("table S", () => {
  it("is whole", () => expect(TABLE_S.map((row) => Number(row.id.slice(0, 2)))).toEqual(Array.from({ length: 70 }, (_, i) => i + 1)));
  judge(TABLE_S, openSafetensors);
  it("has the same verdicts for files in memory", () => {
    for (const row of TABLE_S) {
      const parse = () => parseSafetensors(row.bytes());
      if (row.verdict === "refused") expect(parse, row.id).toThrow(expect.objectContaining(typed));
      else expect(parse().tensors.size, row.id).toBeGreaterThan(0);
    }
  });
  it("69: refuses the index itself", () => expect(() => parseShardIndex(ESCAPING_INDEX)).toThrow(/E_FORMAT.*bare file name.*\.\.\/secret/));
  it("70: takes time in proportion to the tensors", async () => {
    const seconds = async (id: string): Promise<number> => {
      const bytes = (TABLE_S.find((row) => row.id === id) as Row).bytes();
      return (await costOf(bytes, openSafetensors)).milliseconds;
    };
    // 100 000 tensors; quadratic work would take minutes.
    expect(await seconds("70_100k_tensors")).toBeLessThan(10_000);
  });
});

describe("table G", () => {
  it("is whole", () => {
    const ids = new Set(TABLE_G.map((row) => Number(row.id.slice(0, 2))));
    expect([...ids]).toEqual(Array.from({ length: 74 }, (_, i) => i));
    expect(TABLE_G).toHaveLength(80);
  });
  judge(TABLE_G, openGguf);
  it("never reads the payload", async () => {
    for (const id of ["00_ok", "60_trailing"]) {
      const source = countingSource((TABLE_G.find((row) => row.id === id) as Row).bytes());
      await openGguf(source);
      expect(source.readBytes, id).toBeLessThanOrEqual(1 << 16);
    }
  });
  it("62: keeps 30 000 keys without a quadratic search", async () => {
    const bytes = (TABLE_G.find((row) => row.id.startsWith("62")) as Row).bytes();
    expect((await costOf(bytes, openGguf)).milliseconds).toBeLessThan(2000);
  });
});

describe("policies for what is accepted", () => {
  const opened = (id: string) => openGguf(countingSource((TABLE_G.find((row) => row.id === id) as Row).bytes()));
  it("keeps the bytes of strings that are no text", async () => {
    expect((await opened("24_str_not_utf8")).metadata.get("k")).toEqual({ type: "STRING", value: Uint8Array.of(0x61, 0xff) });
  });
  it("keeps templates as text and names as keys of a Map", async () => {
    expect((await opened("64_jinja_template")).metadata.get("tokenizer.chat_template")?.value).toContain("__subclasses__");
    expect((await opened("63_proto_key")).metadata.has("__proto__")).toBe(true);
  });
  it("reads scalars, empty tensors, and tensors behind a hole", async () => {
    const [scalar, empty, behind] = await Promise.all(["41_ndims_0", "42_dim_0", "57_gap"].map(opened));
    expect([...(scalar?.tensors.values() ?? [])][0]).toMatchObject({ shape: [], byteLength: 4 });
    const none = [...(empty?.tensors.values() ?? [])][0];
    expect(none).toMatchObject({ shape: [0, 8], byteLength: 0 });
    expect(await readTensorBytes(none as NonNullable<typeof none>)).toHaveLength(0);
    expect(behind?.tensors.get("b")?.byteLength).toBe(32);
  });
});

describe("files of other kinds", () => {
  it.each(OTHERS.map((other) => [other.id, other] as const))("names %s and what to do", async (_, { bytes, says }) => {
    for (const open of [openGguf, openSafetensors, detectFormat]) {
      await expect(open(countingSource(bytes))).rejects.toThrow(says);
      await expect(open(countingSource(bytes))).rejects.toMatchObject({ name: "TritlensError", code: "E_FORMAT" });
    }
  });
  it.each(SWAPPED.map((other) => [other.id, other] as const))("names %s", async (_, { bytes, says, openAs }) => {
    await expect((openAs === "gguf" ? openGguf : openSafetensors)(countingSource(bytes))).rejects.toThrow(says);
    expect(await detectFormat(countingSource(bytes))).toBe(openAs === "gguf" ? "safetensors" : "gguf");
  });
});
