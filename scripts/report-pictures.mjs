/**
 * Pictures of a report for the documentation: `node scripts/report-pictures.mjs REPORT.html FOLDER` writes answer.png (the first screen), glance.png (all modes side
 * by side), accuracy.png and progress.png.
 */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { needChromium } from "./chromium.mjs";
import { asProgram, StepError } from "./lib/run.mjs";

/** File name and what it shows: a selector, or a rectangle of the page. */
const PICTURES = [
  ["answer.png", { clip: { x: 0, y: 0, width: 1280, height: 1500 } }],
  ["glance.png", { selector: "#side-by-side figure" }],
  ["accuracy.png", { selector: "#training figure:has(:text('Test accuracy'))" }],
  ["progress.png", { selector: "#training figure:has(:text('Progress'))" }],
];

await asProgram(import.meta, async ([report, folder]) => {
  if (!report || !folder) throw new StepError("which report, and where to?", "node scripts/report-pictures.mjs REPORT.html FOLDER");
  const flags = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  const browser = await chromium.launch({ executablePath: await needChromium(), args: flags });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1500 } });
    await page.goto(pathToFileURL(resolve(report)).href);
    await page.waitForSelector("#methods");
    for (const [name, what] of PICTURES) {
      const path = join(folder, name);
      if (what.clip) await page.screenshot({ path, clip: what.clip });
      else await page.locator(what.selector).first().screenshot({ path });
    }
  } finally {
    await browser.close();
  }
});
