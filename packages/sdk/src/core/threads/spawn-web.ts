/** Starts a thread in a browser. The form of the call is what bundlers look for when they bring the script along. */
import { type WebEnd, webLine } from "../pool/line.ts";
import type { Line } from "../pool/messages.ts";

/** A Web Worker with the script of a thread. */
export function spawnWebThread(): Line {
  const worker = new Worker(new URL("./thread-entry.js", import.meta.url), { type: "module" });
  return webLine(worker as unknown as WebEnd);
}
