import { describe, expect, it } from "vitest";
import { ActivationCache, type NameFilter, selectSites } from "../hooks/index.ts";
import type { SiteSpec } from "../spec/index.ts";
import { Tensor } from "../tensor/index.ts";
import { joinCaptures } from "./captures.ts";
import { PlacedHooks, placeEdit } from "./place.ts";

const resid: SiteSpec = { name: "blocks.0.hook_resid_post", node: 0, shape: ["batch", "seq", 2] };
const pattern: SiteSpec = { name: "blocks.0.attn.hook_pattern", node: 0, shape: ["batch", 2, "seq", "keys"] };

describe("an edit at positions of the text", () => {
  it("happens in the run that reaches them", () => {
    const edit = { kind: "zero", at: { pos: [3, 6] } } as const;
    expect(placeEdit(edit, resid, { from: 0, to: 3 })).toBeUndefined();
    expect(placeEdit(edit, resid, { from: 0, to: 4 })).toEqual({ kind: "zero", at: { pos: [3, 4] } });
    expect(placeEdit(edit, resid, { from: 5, to: 6 })).toEqual({ kind: "zero", at: { pos: [0, 1] } });
    expect(placeEdit({ kind: "zero" }, resid, { from: 5, to: 6 })).toEqual({ kind: "zero" });
    expect(placeEdit({ kind: "scale", factor: 2, at: { pos: 7 } }, resid, { from: 7, to: 8 })).toEqual({
      kind: "scale",
      factor: 2,
      at: { pos: [0, 1] },
    });
  });

  it("takes its values along", () => {
    const value = [1, 2, 3, 4, 5, 6];
    const placed = placeEdit({ kind: "set", at: { pos: [3, 6] }, value }, resid, { from: 4, to: 10 });
    expect(placed).toEqual({ kind: "set", at: { pos: [0, 2] }, value: Float32Array.of(3, 4, 5, 6) });
  });

  it("has one position's values everywhere", () => {
    const placed = placeEdit({ kind: "add", value: Tensor.from(Float32Array.of(1, 2), [2]) }, resid, { from: 4, to: 7 });
    expect(placed).toEqual({ kind: "add", value: Float32Array.of(1, 2, 1, 2, 1, 2) });
    expect(placeEdit({ kind: "add", value: [1, 2] }, resid, { from: 4, to: 5 })).toEqual({ kind: "add", value: [1, 2] });
  });

  it("cuts queries and keys of a pattern", () => {
    // Queries 1 to 3 and keys 0 to 2 of head 1; the run has query 2, keys 0 to 2.
    const edit = { kind: "set", at: { head: 1, query: [1, 4], key: [0, 3] }, value: [...Array(9).keys()] } as const;
    expect(placeEdit(edit, pattern, { from: 2, to: 3 })).toEqual({
      kind: "set",
      at: { head: 1, query: [0, 1], key: [0, 3] },
      value: Float32Array.of(3, 4, 5),
    });
    expect(placeEdit({ kind: "zero", at: { key: 5 } }, pattern, { from: 2, to: 3 })).toBeUndefined();
  });

  it.each([-1, 1.5])("refuses position %s", (pos) => {
    expect(() => placeEdit({ kind: "zero", at: { pos } }, resid, { from: 0, to: 3 })).toThrow(/E_RANGE/);
  });

  it("resolves names before anything runs", () => {
    const sites = [resid, pattern];
    const names = sites.map((s) => s.name);
    const select = (where: NameFilter) => selectSites(where, names).map((i) => sites[i] as SiteSpec);
    expect(() => new PlacedHooks([["blocks.0.hook_resid_pots", { kind: "zero" }]], select)).toThrow(/hook_resid_post/);
  });
});

it("joins captures of chunks as one run would have them", () => {
  const tensor = (shape: number[], axes: string[], from: number): Tensor =>
    Tensor.from(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => from + i),
      shape,
      axes,
    );
  const square = ["batch", "head", "query", "key"];
  const part = (seq: number, keys: number, from: number): ActivationCache =>
    new ActivationCache(
      new Map([
        [resid.name, tensor([1, seq, 2], ["batch", "pos", "d_model"], from)],
        [pattern.name, tensor([1, 2, seq, keys], square, from)],
        ["blocks.0.attn.hook_attn_scores", tensor([1, 2, seq, keys], square, from)],
      ]),
    );
  const joined = joinCaptures([part(2, 2, 0), part(1, 3, 100)]);
  expect([...joined.get(resid.name).data]).toEqual([0, 1, 2, 3, 100, 101]);
  expect(joined.get(resid.name).shape).toEqual([1, 3, 2]);
  const rows = (masked: number): number[] => [0, 1, masked, 2, 3, masked, 100, 101, 102, 4, 5, masked, 6, 7, masked, 103, 104, 105];
  expect([...joined.get(pattern.name).data]).toEqual(rows(0));
  expect([...joined.get("blocks.0.attn.hook_attn_scores").data]).toEqual(rows(Number.NEGATIVE_INFINITY));
  expect(joined.get(pattern.name).shape).toEqual([1, 2, 3, 3]);
});
