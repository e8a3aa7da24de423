/** `tritlens reproduce`: the experiment, with progress on the screen. */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type ReproduceOptions, reproduce } from "../lab/index.ts";
import { EXIT } from "./exit.ts";
import { ProgressView } from "./progress.ts";
import type { Screen } from "./screen.ts";
import { type Stop, stopOnSignals } from "./signals.ts";

/** Runs it and returns the exit code. @throws what {@link reproduce} throws. */
export async function runReproduce(options: ReproduceOptions, screen: Screen): Promise<number> {
  const stop = stopOnSignals((text) => screen.print(text));
  try {
    return await drive({ ...options, signal: stop.signal }, screen, stop);
  } finally {
    screen.clear();
    stop.dispose();
  }
}

async function drive(options: ReproduceOptions, screen: Screen, stop: Stop): Promise<number> {
  const view = new ProgressView(screen);
  let report = "";
  try {
    for await (const event of reproduce(options)) {
      view.show(event);
      if (event.type === "report") report = event.path;
      if (event.type === "end") {
        screen.print(`\nreport  ${pathToFileURL(resolve(report)).href}`);
        return event.results.runs.every((r) => r.error === null) ? EXIT.ok : EXIT.error;
      }
    }
    return EXIT.ok;
  } catch (error) {
    if (stop.code === 0) throw error;
    screen.print("Stopped. The same command goes on from here.");
    return stop.code;
  }
}
