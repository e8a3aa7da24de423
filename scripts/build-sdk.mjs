/**
 * Compiles the SDK: `tsc -b` writes one JavaScript file and one declaration file per source file into packages/sdk/dist, which is what the package
 * ships. The library is not bundled, so that a user's bundler can drop what is not imported; only the script and the style of the report page are,
 * because that page has to open from disk without any other file.
 */
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { asProgram, packageBin, root, run, say } from "./lib/run.mjs";

const sdk = join(root, "packages", "sdk");

async function compile() {
  say("Compiling TypeScript");
  const tsc = packageBin("typescript", "bin/tsc");
  await run("tsc", process.execPath, [tsc, "-b", "packages/sdk"], { rerun: "npm run build:sdk" });
  const bin = join(sdk, "dist", "cli", "bin.js");
  if (existsSync(bin)) chmodSync(bin, 0o755);
}

/** report.js and report.css beside the compiled lab/report/assets.js, where it looks for them. */
async function bundleReport() {
  const { build } = await import("esbuild");
  const client = join(sdk, "src", "lab", "report", "client");
  const shared = { bundle: true, minify: true, target: "es2022", legalComments: "eof", logLevel: "warning" };
  const out = join(sdk, "dist", "lab", "report", "assets");
  await build({ ...shared, entryPoints: [join(client, "main.ts")], format: "iife", platform: "browser", outfile: join(out, "report.js") });
  await build({ ...shared, entryPoints: [join(client, "style.css")], outfile: join(out, "report.css") });
}

export async function buildSdk() {
  await compile();
  await bundleReport();
}

await asProgram(import.meta, buildSdk);
