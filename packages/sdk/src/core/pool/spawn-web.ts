/** Starts a follower in a browser. The form of the call is what bundlers look for when they bring the script along. */
import { type WebEnd, webLine } from "./line.ts";
import type { Line } from "./messages.ts";

/** A Web Worker with the follower's script. */
export function spawnWebWorker(): Line {
  const worker = new Worker(new URL("./follower-entry.js", import.meta.url), { type: "module" });
  return webLine(worker as unknown as WebEnd);
}
