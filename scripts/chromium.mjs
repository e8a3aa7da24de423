/**
 * Where Chromium is, for the browser tests; installs Debian's when this is Debian, we are root and there is none.
 */
import { existsSync } from "node:fs";
import { asProgram, run, StepError, say, which } from "./lib/run.mjs";

/** No sandbox (it needs privileges a container lacks), no GPU, and nothing that calls home. */
export const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

/** `$TRITLENS_CHROMIUM`, else a Chromium or Chrome of the system, else null. */
export function findChromium() {
  if (process.env.TRITLENS_CHROMIUM) return process.env.TRITLENS_CHROMIUM;
  return (
    which("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome") ?? PLACES.find((place) => existsSync(place)) ?? null
  );
}

/** As {@link findChromium}, after installing it where that can be done; throws what to do otherwise. */
export async function needChromium() {
  const found = findChromium();
  if (found) return found;
  if (which("apt-get") && process.getuid?.() === 0) {
    say("Installing Chromium");
    await run("apt-get update", "apt-get", ["update", "-q"]);
    await run("apt-get install", "apt-get", ["install", "-y", "--no-install-recommends", "chromium"], { env: { DEBIAN_FRONTEND: "noninteractive" } });
  }
  const installed = findChromium();
  if (!installed)
    throw new StepError(
      "browser tests: no Chromium found; install Chromium or Chrome, or set TRITLENS_CHROMIUM to its program",
      "node scripts/chromium.mjs",
    );
  return installed;
}

await asProgram(import.meta, async () => console.log(await needChromium()));
