/**
 * Compiles the TypeScript packages: `tsc -b` writes one JavaScript file and one declaration file per source file into dist/, which is what the
 * package ships (nothing is bundled into the library, so that a user's bundler can drop what is not imported).
 */
import { asProgram, packageBin, run, say } from "./lib/run.mjs";

export async function buildSdk() {
  say("Compiling TypeScript");
  const tsc = packageBin("typescript", "bin/tsc");
  await run("tsc", process.execPath, [tsc, "-b", "packages/sdk"], { rerun: "npm run build:sdk" });
}

await asProgram(import.meta, buildSdk);
