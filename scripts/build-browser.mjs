/**
 * Bundles what a page without a bundler loads: packages/sdk/dist/browser/tritlens.js (the whole SDK), the script of its worker, and the WASM module
 * beside them. Workers do not see a page's import map, so the plain files of dist/ cannot serve there.
 */
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { asProgram, root, say } from "./lib/run.mjs";

const dist = join(root, "packages", "sdk", "dist");
const out = join(dist, "browser");
const PARTS = ["index.js", "interp/index.js", "worker/index.js"];

export async function buildBrowser() {
  say("Bundling for pages without a bundler");
  const { build } = await import("esbuild");
  rmSync(out, { recursive: true, force: true });
  const shared = { bundle: true, minify: true, format: "esm", platform: "browser", target: "es2022", legalComments: "inline", logLevel: "warning" };
  const everything = PARTS.map((file) => `export * from "./${file}";`).join("\n");
  await build({ ...shared, stdin: { contents: everything, resolveDir: dist }, outfile: join(out, "tritlens.js") });
  await build({ ...shared, entryPoints: [join(dist, "worker", "entry.js")], outfile: join(out, "entry.js") });
  await build({ ...shared, entryPoints: [join(dist, "core", "pool", "follower-entry.js")], outfile: join(out, "follower-entry.js") });
  copyFileSync(join(root, "bindings", "wasm", "pkg", "tritlens_wasm_bg.wasm"), join(out, "tritlens_wasm_bg.wasm"));
}

await asProgram(import.meta, buildBrowser);
