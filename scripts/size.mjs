/**
 * Sizes of what users download, against budgets kept in scripts/size.json (a committed snapshot, with room of a tenth) and, for the WASM modules, against
 * limits that no snapshot may pass. `--write` takes today's sizes.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { buildWasm, wasmFile } from "./build-wasm.mjs";
import { asProgram, root, StepError } from "./lib/run.mjs";

const snapshot = join(root, "scripts", "size.json");
const ROOM = 1.1;
/** Bytes that are promised. */
const LIMITS = { "wasm, gzip": 300 * 1024, "wasm for inference, gzip": 130 * 1024 };
const zipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The SDK as a browser would get it: what a page takes from one entry point, bundled and minified, without the WASM file and without what is loaded when it is asked for. */
async function bundle(entry, names = "*") {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names} from ${JSON.stringify(entry)}`, resolveDir: root },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    splitting: true,
    metafile: true,
    outdir: root,
    logLevel: "error",
    external: existsSync(wasmFile("threads")) ? [] : ["@tritlens/wasm/threads"],
  });
  const outputs = new Map(Object.entries(metafile.outputs));
  const first = [...outputs].find(([, { entryPoint }]) => entryPoint === "<stdin>")[0];
  const eager = new Set([first]);
  // A set that grows while it is walked: the imports of imports are among them.
  for (const file of eager) for (const { path, kind } of outputs.get(file).imports) if (kind === "import-statement") eager.add(path);
  return Buffer.concat(outputFiles.filter(({ path }) => eager.has(relative(process.cwd(), path))).map(({ contents }) => contents));
}

async function measure() {
  await buildWasm("inference");
  return {
    "wasm, gzip": zipped(readFileSync(wasmFile("default"))),
    "wasm for inference, gzip": zipped(readFileSync(wasmFile("inference"))),
    "tritlens, gzip": zipped(await bundle("tritlens")),
    "a page that runs a model, gzip": zipped(await bundle("tritlens", "{ loadCore, Model }")),
    "a page that trains one, gzip": zipped(await bundle("tritlens", "{ loadCore, Model, modularAddition, train }")),
    "tritlens/models, gzip": zipped(await bundle("tritlens/models")),
    "tritlens/interp, gzip": zipped(await bundle("tritlens/interp")),
  };
}

await asProgram(import.meta, async (args) => {
  const now = await measure();
  if (args.includes("--write")) writeFileSync(snapshot, `${JSON.stringify(now, null, 2)}\n`);
  const budget = JSON.parse(readFileSync(snapshot, "utf8"));
  const over = Object.entries(now).filter(([name, bytes]) => !(bytes <= Math.min(budget[name] * ROOM, LIMITS[name] ?? Number.POSITIVE_INFINITY)));
  console.table(Object.fromEntries(Object.entries(now).map(([name, bytes]) => [name, { bytes, snapshot: budget[name], limit: LIMITS[name] }])));
  if (over.length > 0)
    throw new StepError(
      `larger than the snapshot by more than a tenth, or than its limit: ${over.map(([name]) => name).join(", ")}`,
      "npm run size (-- --write accepts the new sizes)",
    );
});
