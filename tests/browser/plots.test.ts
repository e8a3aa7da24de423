/** Pictures as a reader sees them: `.plot()` is an element of the page, no text touches another or leaves the picture, and colours follow the reader's setting. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { type Chart, drawSvg } from "tritlens/plots";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawGuide } from "../../scripts/guide-pictures.mjs";
import { PANELS, SAMPLES } from "../support/charts.ts";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

let browser: Browser;
let page: Page;
beforeAll(async () => {
  browser = await startBrowser();
  ({ page } = await browser.open("/tests/browser/pages/blank.html"));
});
afterAll(() => browser?.close());

describe("plot()", () => {
  it("is an element where there is a document", async () => {
    const found = await page.evaluate((chart) => {
      class Demo extends tritlens.Result {
        chart(): Chart {
          return chart;
        }
      }
      const drawn = new Demo().plot({ theme: "auto" });
      if (typeof drawn === "string") return "text";
      document.body.append(drawn);
      const { width, height } = drawn.getBoundingClientRect();
      return { element: drawn instanceof SVGSVGElement, here: drawn.ownerDocument === document, shown: width > 100 && height > 100 };
    }, SAMPLES.heatmap as Chart);
    expect(found).toEqual({ element: true, here: true, shown: true });
  });

  it("follows the reader's setting with the theme auto", async () => {
    const paper = (scheme: "light" | "dark"): Promise<string> =>
      page.emulateMedia({ colorScheme: scheme }).then(() =>
        page
          .locator("svg.tritlens-auto > rect")
          .first()
          .evaluate((e) => getComputedStyle(e).fill),
      );
    expect(await paper("light")).toBe("rgb(252, 252, 250)");
    expect(await paper("dark")).toBe("rgb(20, 22, 26)");
  });
});

/** Texts that touch each other or reach out of the picture, and what the parser says of it. */
function troubleIn(svg: string): string[] {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml");
  const error = parsed.querySelector("parsererror");
  if (error) return [error.textContent ?? "not XML"];
  const root = document.adoptNode(parsed.documentElement);
  document.body.replaceChildren(root);
  const frame = root.getBoundingClientRect();
  type Corner = [x: number, y: number];
  const texts = [...root.querySelectorAll("text")].filter((t) => t.textContent?.trim());
  const boxes = texts.map((text) => {
    const { x, y, width, height } = text.getBBox();
    const m = text.getScreenCTM() as DOMMatrix;
    // Letters do not fill the height of their line.
    const corners: Corner[] = [
      [x, y + 0.2 * height],
      [x + width, y + 0.2 * height],
      [x + width, y + 0.85 * height],
      [x, y + 0.85 * height],
    ];
    return { name: text.textContent ?? "", corners: corners.map(([a, b]): Corner => [m.a * a + m.c * b + m.e, m.b * a + m.d * b + m.f]) };
  });
  const apart = (a: Corner[], b: Corner[]): boolean =>
    [a, b].some((box) =>
      box.some(([x1, y1], i) => {
        const [x2, y2] = box[(i + 1) % 4] as Corner;
        const along = (corners: Corner[]): number[] => corners.map(([x, y]) => x * (y2 - y1) + y * (x1 - x2));
        return Math.max(...along(a)) <= Math.min(...along(b)) + 1e-6 || Math.max(...along(b)) <= Math.min(...along(a)) + 1e-6;
      }),
    );
  const out = boxes.filter((b) => b.corners.some(([x, y]) => x < frame.left - 1 || x > frame.right + 1 || y < frame.top - 1 || y > frame.bottom + 1));
  const touching = boxes.flatMap((a, i) =>
    boxes
      .slice(i + 1)
      .filter((b) => !apart(a.corners, b.corners))
      .map((b) => `${a.name} | ${b.name}`),
  );
  return [...out.map((b) => `outside: ${b.name}`), ...touching];
}

describe.each(Object.entries({ ...SAMPLES, panels: PANELS }))("%s", (_, chart) => {
  it.each([undefined, 420, 1400])("has texts that can be read, %s pixels wide", async (width) => {
    expect(await page.evaluate(troubleIn, drawSvg(chart, width === undefined ? {} : { width }))).toEqual([]);
  });
});

it("draws the pictures of the guide, which can be read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tritlens-plots-"));
  try {
    await drawGuide(folder);
    const drawn = readdirSync(folder);
    const kept = readdirSync(join(import.meta.dirname, "../../docs/pictures")).filter((name) => name.startsWith("plot-"));
    expect(drawn.sort()).toEqual(kept.sort());
    for (const name of drawn) expect(await page.evaluate(troubleIn, readFileSync(join(folder, name), "utf8")), name).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it("notices texts that touch", async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="50"><text x="10" y="20">one</text><text x="14" y="22">two</text><text x="90" y="40">outside</text></svg>';
  expect(await page.evaluate(troubleIn, svg)).toEqual(["outside: outside", "one | two"]);
});
