import { expect, it } from "vitest";
import { Tensor } from "../tensor/index.ts";
import { attentionSvg, attentionText } from "./attention.ts";

const axes = ["batch", "head", "query", "key"];
const map = Tensor.from(Float32Array.of(1, 0, 0.5, 0.5, /* head 1 */ 1, 0, 0.05, 0.95), [1, 2, 2, 2], axes);

it("draws a head as text", () => {
  expect(attentionText(map, ["The", " cat"], { head: 1 })).toBe(" The ██\n·cat   ██");
  const row = Tensor.from(Float32Array.of(0.25, 0.75), [1, 1, 1, 2], axes);
  expect(attentionText(row, ["a", "\u001b[2J"], { head: 0 })).toBe(`   a  25.0 % ${"█".repeat(10)}\n?[2J  75.0 % ${"█".repeat(30)}`);
});

it("draws a head as SVG, whatever the tokens are", () => {
  const svg = attentionSvg(map, ["<img onerror=x>", '"&'], { head: 0 });
  expect(svg).not.toContain("<img");
  expect(svg).toContain("&lt;img·onerro…");
  expect(svg.match(/<title>head 0: [^<]* to /g)?.length).toBe(3);
});

it("refuses what does not fit", () => {
  expect(() => attentionText(map, ["a"], { head: 0 })).toThrow(/E_SHAPE/);
  expect(() => attentionSvg(map, ["a", "b"], { head: 2 })).toThrow(/E_RANGE: there is no such head; expected 0 to 1/);
});
