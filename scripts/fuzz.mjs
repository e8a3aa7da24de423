/**
 * `npm run fuzz`: the fuzz targets of tests/fuzz, a minute each, with other cases every day. A failure prints the seed and the input;
 * `TRITLENS_FUZZ_SEED` makes the same cases again, `TRITLENS_FUZZ_SECONDS` changes the time.
 */
import { asProgram, packageBin, run } from "./lib/run.mjs";

export function fuzz() {
  const seed = process.env.TRITLENS_FUZZ_SEED ?? String(Math.floor(Date.now() / 86_400_000));
  const env = { TRITLENS_FUZZ_SEED: seed, TRITLENS_FUZZ_SECONDS: process.env.TRITLENS_FUZZ_SECONDS ?? "60" };
  const args = [packageBin("vitest", "vitest.mjs"), "run", "--project", "unit", "tests/fuzz"];
  return run("fuzz", process.execPath, args, { env, rerun: `TRITLENS_FUZZ_SEED=${seed} npm run fuzz` });
}

await asProgram(import.meta, fuzz);
