/** The platform in Node. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type NativeBinding, nativeCore } from "../native.ts";
import { type NodeEnd, nodeLine } from "../pool/line.ts";
import type { Line } from "../pool/messages.ts";
import { createFile, makeFolder, readFileBytes, writeFileAtomic } from "./files.ts";
import { lockFile, lockFolder } from "./lock.ts";
import { findInFolder, listFolder, openFile } from "./reading.ts";
import type { Platform } from "./types.ts";

const require = createRequire(import.meta.url);

function spawn(script: string): Line {
  return nodeLine(new Worker(require.resolve(script)) as unknown as NodeEnd);
}

/** Node implementation of {@link Platform}. */
export const platform: Platform = {
  name: "node",
  env: (name) => process.env[name],
  notice: (line) => void process.stderr.write(`${line}\n`),
  loadNative: () => nativeCore(require("@tritlens/native") as NativeBinding),
  // `fetch` cannot read file: URLs in Node, so the bytes are read here.
  wasmBytes: async (build) => readFile(require.resolve(`@tritlens/wasm/tritlens_${build}_bg.wasm`)),
  hasWorkers: () => true,
  // Scripts go by the package's own name: this file may run from its source, a thread needs the built script.
  spawnFollower: () => spawn("tritlens/worker/follower"),
  canShareMemory: () => true,
  spawnThread: () => spawn("tritlens/worker/thread"),
  readFile: readFileBytes,
  writeFileAtomic,
  openFile,
  createFile,
  makeFolder,
  listFolder,
  findInFolder,
  pathOfUrl: (url) => fileURLToPath(url),
  lockFolder,
  lockFile,
};
