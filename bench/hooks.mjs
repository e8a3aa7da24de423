/** Section `hooks`: what a hook function adds to a run, over one row of three tokens of a tiny model, so that the run does not hide it. */
import { rounded } from "./rows.mjs";
import { sdk } from "./sides.mjs";

const NAMES = {
  perHook: "a hook function",
  rawPause: "a pause of the core alone",
  silent: "a run, nobody listens",
  bare: "a run without sites",
};

export async function measureHooks({ p }, report) {
  const all = [];
  for (const backend of ["native", "wasm"]) {
    const side = sdk(`hooks ${backend}`, { p, backend, threads: 1, mode: "li_ternary" });
    const found = await side.ask({ ask: "hooks", rounds: 20 });
    side.end();
    all.push(...Object.entries(NAMES).map(([key, name]) => ({ name, isa: backend, threads: 1, unit: "us", median: rounded(found[key]) })));
  }
  report(all);
  return all;
}
