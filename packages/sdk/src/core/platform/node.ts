/** The platform in Node. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { type NativeBinding, nativeCore } from "../native.ts";
import { type NodeEnd, nodeLine } from "../pool/line.ts";
import { readFileBytes, writeFileAtomic } from "./files.ts";
import { lockFile, lockFolder } from "./lock.ts";
import type { Platform } from "./types.ts";

const require = createRequire(import.meta.url);

/** Node implementation of {@link Platform}. */
export const platform: Platform = {
  name: "node",
  env: (name) => process.env[name],
  notice: (line) => void process.stderr.write(`${line}\n`),
  loadNative: () => nativeCore(require("@tritlens/native") as NativeBinding),
  // `fetch` cannot read file: URLs in Node, so the bytes are read here.
  wasmBytes: async () => readFile(require.resolve("@tritlens/wasm/tritlens_wasm_bg.wasm")),
  hasWorkers: () => true,
  // By the package's own name: this file may run from its source, the thread needs the built script.
  spawnFollower: () => nodeLine(new Worker(require.resolve("tritlens/worker/follower")) as unknown as NodeEnd),
  readFile: readFileBytes,
  writeFileAtomic,
  lockFolder,
  lockFile,
};
