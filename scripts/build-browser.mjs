/**
 * Bundles what a page without a bundler loads: packages/sdk/dist/browser/tritlens.js (the whole SDK), the scripts of its workers, and the WASM modules
 * beside them. What the SDK imports only when it is asked for (tokenizers, chat templates, generation) lies in chunks of its own. Workers do not see a page's
 * import map, so the plain files of dist/ cannot serve there.
 */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { wasmFile } from "./build-wasm.mjs";
import { asProgram, root, say } from "./lib/run.mjs";

const dist = join(root, "packages", "sdk", "dist");
const out = join(dist, "browser");
const PARTS = ["index.js", "interp/index.js", "plots/index.js", "worker/index.js"];
/** Scripts of workers, beside the code that starts them. */
const WORKERS = {
  "worker/entry.js": "entry.js",
  "core/pool/follower-entry.js": "follower-entry.js",
  "core/threads/thread-entry.js": "thread-entry.js",
};

export async function buildBrowser() {
  say("Bundling for pages without a bundler");
  const { build } = await import("esbuild");
  rmSync(out, { recursive: true, force: true });
  const threads = existsSync(wasmFile("threads"));
  const shared = {
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    legalComments: "inline",
    logLevel: "warning",
    external: threads ? [] : ["@tritlens/wasm/threads"],
    splitting: true,
    outdir: out,
  };
  const everything = PARTS.map((file) => `export * from "./${file}";`).join("\n");
  await build({ ...shared, stdin: { contents: everything, resolveDir: dist }, entryNames: "tritlens" });
  for (const [from, to] of Object.entries(WORKERS)) await build({ ...shared, entryPoints: [{ in: join(dist, from), out: to.replace(".js", "") }] });
  for (const variant of threads ? ["default", "threads"] : ["default"]) copyFileSync(wasmFile(variant), join(out, basename(wasmFile(variant))));
}

await asProgram(import.meta, buildBrowser);
