/** Fuzzes the parsers of safetensors and GGUF, with the tables of hostile files as seeds; every truncation and every flipped bit of a small file. */
import { memorySink, openGguf, openSafetensors, writeGguf, writeSafetensors } from "tritlens/io";
import { describe, expect, it } from "vitest";
import { TABLE_G, tinyLlama } from "../hostile/gguf.ts";
import type { Row } from "../hostile/row.ts";
import { TABLE_S } from "../hostile/safetensors.ts";
import { BLIND, fuzz, outcomeOf, SECONDS } from "./engine.ts";
import { moveTensor, setGgufField, setHeaderLength, setHeaderNumber } from "./fields.ts";
import * as targets from "./targets.ts";

/** Small ones: a mutated megabyte finds nothing that a mutated kilobyte does not. */
const small = (bytes: Uint8Array): boolean => bytes.length <= 1 << 14;
/** The table's files, and as many copies of well-formed ones: most mutations of a malformed file find its old fault again. */
const seedsOf = (table: readonly Row[], ...good: Uint8Array[]): Uint8Array[] => {
  const bad = table.map((row) => row.bytes()).filter(small);
  return [...bad, ...bad.map((_, i) => good[i % good.length] as Uint8Array)];
};
const data = (length: number) => () => Uint8Array.from({ length }, (_, i) => 31 * i);

async function smallSafetensors(): Promise<Uint8Array> {
  const sink = memorySink();
  const widths = { F32: 4, BF16: 2, I64: 8, U8: 1 } as const;
  const tensors = (["F32", "BF16", "I64", "U8"] as const).map((dtype, i) => ({
    name: `blocks.${i}.weight`,
    dtype,
    shape: [2 + i, 5],
    data: data((2 + i) * 5 * widths[dtype]),
  }));
  await writeSafetensors(sink, { tensors, metadata: new Map([["format", "pt"]]) });
  return sink.bytes.slice();
}

async function smallGguf(): Promise<Uint8Array> {
  const sink = memorySink();
  const metadata = new Map([
    ["general.architecture", { type: "STRING", value: "llama" }],
    ["llama.block_count", { type: "UINT32", value: 2 }],
    ["flags", { type: "ARRAY", of: "BOOL", value: Uint8Array.of(0, 1) }],
    ["wide", { type: "UINT64", value: 7 }],
  ] as const);
  const tensors = [
    { name: "a.weight", type: "F32", shape: [3, 8], data: data(96) },
    { name: "b.weight", type: "TQ2_0", shape: [2, 256], data: data(132) },
    { name: "c.weight", type: "Q4_0", shape: [2, 32], data: data(36) },
  ];
  await writeGguf(sink, { metadata, tensors });
  return sink.bytes.slice();
}

const describeTensors = ({ tensors }: Awaited<ReturnType<typeof openSafetensors>> | Awaited<ReturnType<typeof openGguf>>): unknown[] =>
  [...tensors.values()].map(({ source: _, ...place }) => place);

describe.each([
  { name: "safetensors", make: smallSafetensors, target: targets.safetensors, open: openSafetensors },
  { name: "GGUF", make: smallGguf, target: targets.gguf, open: openGguf },
])("$name, all of it", ({ name, make, target, open }) => {
  it("refuses every truncation", async () => {
    const file = await make();
    for (let n = 0; n < file.length; n++) {
      const { opened } = await outcomeOf(file.slice(0, n), target, `${name} cut at ${n}`);
      // Padding behind the last tensor of a GGUF file is nobody's.
      if (opened) expect(describeTensors(await open(file.slice(0, n))), `cut at ${n}`).toEqual(describeTensors(await open(file)));
    }
  });
  it("refuses every flipped bit, or reads on with all that it promises", async () => {
    const file = await make();
    const places = [...(await open(file)).tensors.values()];
    const payload = Math.min(...places.map((p) => p.offset));
    for (let bit = 0; bit < 8 * file.length; bit++) {
      const flipped = file.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const { opened } = await outcomeOf(flipped, target, `${name} bit ${bit}`);
      // Nothing in the payload can move a tensor.
      if (bit >> 3 >= payload) expect(opened, `bit ${bit}`).toBe(true);
    }
  });
});

it(
  "fuzz safetensors",
  async () => {
    const seeds = seedsOf(TABLE_S, await smallSafetensors());
    const { tried, opened } = await fuzz("safetensors", seeds, [...BLIND, setHeaderLength, setHeaderNumber, moveTensor], targets.safetensors);
    expect(tried).toBeGreaterThan(100);
    expect(opened).toBeGreaterThan(0);
  },
  1000 * SECONDS + 60_000,
);

it(
  "fuzz GGUF",
  async () => {
    const seeds = seedsOf(TABLE_G, tinyLlama(), await smallGguf());
    const { tried, opened } = await fuzz("GGUF", seeds, [...BLIND, setGgufField, setGgufField], targets.gguf);
    expect(tried).toBeGreaterThan(100);
    expect(opened).toBeGreaterThan(0);
  },
  1000 * SECONDS + 60_000,
);
