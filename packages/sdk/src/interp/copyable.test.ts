/** House rule of this folder: an analysis can be copied into a user's script as it is, so it imports what the package exports and nothing else. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const ALLOWED = new Set(["tritlens", "tritlens/interp", "tritlens/models", "tritlens/plots", "tritlens/train"]);
const here = new URL(".", import.meta.url);
const files = readdirSync(here, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts") && !/(^|\/)index\.ts$|\.test\.ts$|^(math|modadd)\//.test(path));

test.each(files)("%s imports the package only", (path) => {
  const source = readFileSync(new URL(path, here), "utf8");
  const found = [...source.matchAll(/^(?:import|export|\}).*\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"/gm)].map(
    ([, from, bare, dynamic]) => from ?? bare ?? dynamic,
  );
  expect(found.filter((specifier) => !ALLOWED.has(specifier as string))).toEqual([]);
});

test("there are analyses to look at", () => {
  expect(files.length).toBeGreaterThan(20);
});
