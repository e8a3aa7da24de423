/** The platform in a browser tab or worker: no addon, no files. */
import { TritlensError } from "../errors.ts";
import { spawnWebWorker } from "../pool/spawn-web.ts";
import { spawnWebThread } from "../threads/spawn-web.ts";
import type { Platform } from "./types.ts";

function refuse(what: string): never {
  throw new TritlensError("E_BACKEND", `${what} needs Node`, { expected: "Node", found: "a browser" });
}

/** Browser implementation of {@link Platform}. */
export const platform: Platform = {
  name: "browser",
  env: () => undefined,
  notice: (line) => console.info(line),
  loadNative: () => refuse("the native core"),
  wasmBytes: async () => undefined,
  // Workers inside of workers are missing in some browsers.
  hasWorkers: () => typeof Worker === "function",
  spawnFollower: spawnWebWorker,
  // A page's own thread may not wait, and without isolation there is no memory to share.
  canShareMemory: () => globalThis.crossOriginIsolated === true && "WorkerGlobalScope" in globalThis && typeof Worker === "function",
  spawnThread: spawnWebThread,
  readFile: async () => refuse("reading a file"),
  writeFileAtomic: async () => refuse("writing a file"),
  openFile: async () => refuse("opening a file by its path"),
  createFile: async () => refuse("writing a file"),
  makeFolder: async () => refuse("making a folder"),
  listFolder: async () => refuse("reading a folder"),
  findInFolder: async () => refuse("reading a folder"),
  pathOfUrl: () => refuse("a file: URL"),
  lockFolder: async () => refuse("locking a folder"),
  lockFile: async () => refuse("locking a file"),
};
