/** `tritlens info`. */
import { loadCore } from "../core/index.ts";
import { VERSION } from "../lab/index.ts";
import { EXIT } from "./exit.ts";
import type { Output } from "./screen.ts";
import { table } from "./text.ts";

/** Options of the command. */
export interface InfoOptions {
  json?: boolean;
  threads?: number;
  backend?: "auto" | "native" | "wasm";
}

/** Prints what runs here. @throws E_BACKEND. */
export async function runInfo(options: InfoOptions, out: Output): Promise<number> {
  const core = await loadCore(options.backend === undefined ? {} : { backend: options.backend });
  if (options.threads !== undefined) core.setThreads(options.threads);
  const info = {
    tritlens: VERSION,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    backend: core.backend,
    ...core.info(),
  };
  if (options.json) out.write(`${JSON.stringify(info, null, 1)}\n`);
  else out.write(`${table(Object.entries(info).map(([k, v]) => [k, Array.isArray(v) ? v.join(" ") : String(v)]))}\n`);
  return EXIT.ok;
}
