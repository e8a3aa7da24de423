import { describe, expect, it } from "vitest";
import { embedJson, pageHtml } from "./page.ts";
import { codeRaster, raster, round } from "./raster.ts";
import { syntheticModel } from "./synthetic.ts";

const bytes = (b64: string): number[] => [...Buffer.from(b64, "base64")];

describe("rasters", () => {
  it("quantise between the bounds and clamp outside", () => {
    expect(bytes(raster([0, 1, 2, 4], 2, 2).bytes)).toEqual([0, 64, 128, 255]);
    expect(bytes(raster([-1, 0, 1, Number.NaN], 2, 2, 0, 0.5).bytes)).toEqual([0, 0, 255, 0]);
    expect(bytes(raster([3, 3], 2, 1).bytes)).toEqual([0, 0]);
  });

  it("keep infinities out of the range", () => {
    expect(raster([1, 2, Infinity, -Infinity], 2, 2)).toMatchObject({ lo: 1, hi: 2 });
    expect(raster([Number.NaN, Number.NaN], 2, 1)).toMatchObject({ lo: 0, hi: 1 });
  });

  it("refuse a length that does not fit", () => {
    expect(() => raster([1, 2, 3], 2, 2)).toThrow("needs 4 values, found 3");
    expect(() => codeRaster([1], 2, 2)).toThrow("needs 4 codes, found 1");
  });

  it("pack codes four a byte, lowest bits first", () => {
    expect(bytes(codeRaster([-1, 0, 1, 1, 1], 5, 1).bytes)).toEqual([0b10_10_01_00, 0b10]);
  });

  it("round to significant digits", () => {
    expect([round(0.123456), round(123456), round(-1.23456e-9), round(0)]).toEqual([0.1235, 123500, -1.235e-9, 0]);
  });
});

describe("the page", () => {
  it("carries its data in a form that cannot end the script element", () => {
    const evil = { a: "</script><script>alert(1)</script><!--", b: "\u2028\u2029" };
    const text = embedJson(evil);
    expect(text).not.toMatch(/<|\u2028|\u2029/);
    expect(JSON.parse(text)).toEqual(evil);
  });

  it("writes numbers that are not finite as null", () => {
    expect(embedJson([Number.NaN, Infinity, 1])).toBe("[null,null,1]");
  });

  it("is one file that fetches nothing", () => {
    const html = pageHtml(syntheticModel(2, 1), { script: "/*script*/", style: "/*style*/" });
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/<(link|img|iframe|script)[^>]*(src|href)=/);
    const data = /<script type="application\/json" id="data">(.*)<\/script>/.exec(html)?.[1] ?? "";
    expect(JSON.parse(data)).toMatchObject({ schema: "tritlens.report/1" });
  });
});
