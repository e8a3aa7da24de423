/**
 * Compiles the SDK: `tsc -b` writes one JavaScript file and one declaration file per source file into packages/sdk/dist, which is what the package
 * ships. The library is not bundled, so that a user's bundler can drop what is not imported; what has to be one file is bundled by the package's
 * own script (the report page's script and style, the command line's parser).
 */
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { asProgram, npm, packageBin, root, run, say } from "./lib/run.mjs";

const sdk = join(root, "packages", "sdk");

async function compile() {
  say("Compiling TypeScript");
  const tsc = packageBin("typescript", "bin/tsc");
  await run("tsc", process.execPath, [tsc, "-b", "packages/sdk"], { rerun: "npm run build:sdk" });
  const bin = join(sdk, "dist", "cli", "bin.js");
  if (existsSync(bin)) chmodSync(bin, 0o755);
  await linkCommand();
}

/** `npx tritlens` in this folder: npm links a command when it installs, and in a new clone this one did not exist yet. */
async function linkCommand() {
  if (existsSync(join(root, "node_modules", ".bin", "tritlens"))) return;
  const [command, args] = npm(["rebuild", "tritlens", "--ignore-scripts", "--loglevel", "error"]);
  await run("npm rebuild", command, args);
}

export async function buildSdk() {
  await compile();
  // Imported late: esbuild is there only after the packages were installed.
  const { bundleAssets } = await import("../packages/sdk/scripts/bundle-assets.mjs");
  await bundleAssets();
}

await asProgram(import.meta, buildSdk);
