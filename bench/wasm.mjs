/**
 * Section `wasm`: the kernels in WebAssembly, beside the limits of SIMD128 and, with `--peers`, beside onnxruntime-web and tfjs-wasm. Everything runs in this Node
 * (the same engine as Chromium's of its age), one thread.
 */
import { measureInTurns } from "./contest.mjs";
import { measureKernels } from "./kernels.mjs";
import { Limits, measureLimits, roundedSummary } from "./limits.mjs";
import { rounded, timesBetter } from "./rows.mjs";
import { opened, sdk, wasmKernels } from "./sides.mjs";

/** A training step of ours and of tfjs-wasm. */
async function trainingBeside({ p, tfjs, rounds }) {
  const ours = sdk("wasm", { p, backend: "wasm", threads: 1, mode: "fp32" });
  await ours.ask({ ask: "steps", count: 3 });
  const measure = async () => (await ours.ask({ ask: "steps", count: 2 })).seconds * 500;
  const theirs = await opened("tfjs-wasm", tfjs.side, { type: "training" }, { ms: 1, per: "ms" });
  // A step of tfjs takes seconds; three turns are enough to see a factor.
  const found = await measureInTurns([{ name: "wasm", measure }, theirs], Math.min(rounds, 3));
  ours.end();
  const row = (name) => ({ name: "training step fp32", shape: `p = ${p}`, isa: name, threads: 1, unit: "ms", ...roundedSummary(found.get(name)) });
  const [mine, rival] = [row("wasm"), row("tfjs-wasm")];
  const oursIs = rounded(timesBetter(mine, rival));
  return [
    { ...mine, toPeer: { "tfjs-wasm": oursIs } },
    { ...rival, oursIs },
  ];
}

export async function measureWasm(context, report) {
  const side = await wasmKernels();
  const { tables } = await side.ask({ ask: "info" });
  const { rounds, ms, peers } = context;
  const limitRows = await measureLimits(side, { threads: [1], rounds, ms });
  report(limitRows);
  const limits = new Limits(limitRows);
  const rows = await measureKernels({ ...context, side, tables, limits, threads: [1] }, report);
  side.end();
  const tfjs = peers.find((peer) => peer.label === "tfjs-wasm");
  const trained = tfjs ? await trainingBeside({ ...context, tfjs }) : [];
  if (trained.length > 0) report(trained);
  return { limits: limitRows, rows: [...rows, ...trained] };
}
