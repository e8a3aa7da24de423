/** Starts a follower in a browser. */
import { type WebEnd, webLine } from "./line.ts";
import type { Line } from "./messages.ts";

/** A Web Worker with the follower's script. */
export function spawnWebWorker(): Line {
  // This form of the call is what bundlers look for when they bring the script along.
  const worker = new Worker(new URL("./follower-entry.js", import.meta.url), { type: "module" });
  return webLine(worker as unknown as WebEnd);
}
