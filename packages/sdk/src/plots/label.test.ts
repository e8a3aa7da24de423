import { describe, expect, it } from "vitest";
import { cellCount, escaped, fitCells, padCells, shorten, visible, widthOf, wrap } from "./label.ts";

const TYPE = { size: 11 };

describe("shorten", () => {
  it("keeps what fits", () => expect(shorten("blocks.0", 200, TYPE)).toBe("blocks.0"));

  it("takes the middle of names and the end of tokens", () => {
    expect(shorten("blocks.10.attn.hook_result", 100, TYPE)).toMatch(/^blocks\.10.*….*ult$/);
    expect(shorten("internationalisation", 50, { size: 11, mono: true })).toMatch(/^inte.*…$/);
  });

  it("is never wider than asked, whatever the text is", () => {
    for (const text of ["MMMMMMMMMMMMMM", "日本語日本語日本語", "🙂🙂🙂🙂🙂🙂", "x".repeat(1e6), "a\u0301".repeat(40)])
      for (const width of [20, 45, 90]) expect(widthOf(shorten(text, width, TYPE), TYPE)).toBeLessThanOrEqual(width);
  });
});

it("wraps at words and stops after as many lines as there are", () => {
  const lines = wrap("one two three four five six seven eight nine ten", 80, TYPE, 2);
  expect(lines.length).toBe(2);
  expect(lines[1]).toMatch(/…$/);
  expect(wrap("", 80, TYPE, 2)).toEqual([]);
});

it("shows what is invisible", () => {
  expect(visible(" Mary went ")).toBe("·Mary went·");
  expect(visible(" Mary went", true)).toBe("·Mary·went");
  expect(visible("a\n\tb\u001b\u0000")).toBe("a⏎⇥b??");
});

it("counts cells of a terminal", () => {
  expect(cellCount("ab日")).toBe(4);
  expect(fitCells("日本語", 5)).toBe("日本…");
  expect(padCells("日", 4)).toBe("  日");
});

it("writes XML, whatever a text holds", () => {
  expect(escaped(`<a b="c">&`)).toBe("&lt;a b=&quot;c&quot;&gt;&amp;");
  expect(escaped("\u0000\u001b\ud800x\udc00\ufffe\t🙂")).toBe("\ufffd\ufffd\ufffdx\ufffd\ufffd\t🙂");
});
