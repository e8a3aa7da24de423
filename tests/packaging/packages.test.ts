/**
 * The packages as users get them: `npm pack`, install the tarballs into an empty project with install scripts off, then import them from Node (ESM and
 * CommonJS), from TypeScript and from a bundler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyFolder, install, node, PACKAGES, type PackageName, pack, requireBuilt, root, type Tarball } from "./project.ts";

const NAMES = Object.keys(PACKAGES) as PackageName[];
const tarballs = new Map<PackageName, Tarball>();
let folder: string;
let both: string;
let wasmOnly: string;

const tarball = (name: PackageName): Tarball => tarballs.get(name) as Tarball;

/** Loads a core, runs a small model and prints what came out. */
const RUN = `
const core = await loadCore();
const model = Model.fromConfig(liConfig({ p: 7, mode: "li_ternary" }), { seed: 3 });
const { logits, cache } = model.runWithCache([[1, 2, 7]], { names: "blocks.0.mlp.hook_post" });
console.log(JSON.stringify({ backend: core.backend, isa: core.info().isa, shape: logits.shape, logits: [...logits.data], kept: cache.get("blocks.0.mlp.hook_post").shape }));
`;
const IMPORTS = `import { loadCore, Model } from "tritlens";\nimport { liConfig } from "tritlens/models";\n`;

beforeAll(() => {
  requireBuilt();
  folder = emptyFolder("packaging");
  for (const name of NAMES) tarballs.set(name, pack(name, folder));
  both = install(join(folder, "both"), NAMES.map(tarball));
  wasmOnly = install(join(folder, "wasm only"), [tarball("tritlens"), tarball("@tritlens/wasm")]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("tarballs", () => {
  it.each(NAMES)("%s passes publint", async (name) => {
    const { messages } = await publint({ pkgDir: join(root, PACKAGES[name]), strict: true });
    expect(messages).toEqual([]);
  });

  it.each(NAMES)("%s holds neither sources nor tests nor machine paths", (name) => {
    const paths = tarball(name).files.map((file) => file.path);
    expect(paths).toContain("package.json");
    expect(paths.filter((path) => /\.test\.|\.tsbuildinfo|(^|\/)src\/|\.env/.test(path))).toEqual([]);
    const texts = paths.filter((path) => /\.(js|ts|json)$/.test(path)).map((path) => readFileSync(join(root, PACKAGES[name], path), "utf8"));
    expect(texts.filter((text) => text.includes(root))).toEqual([]);
  });

  it.each(NAMES)("%s runs nothing when it is installed", (name) => {
    const { scripts = {} } = JSON.parse(readFileSync(join(root, PACKAGES[name], "package.json"), "utf8")) as { scripts?: Record<string, string> };
    expect(Object.keys(scripts).filter((script) => /install|prepare|prepublish/.test(script))).toEqual([]);
  });

  it("every path that package.json exports is in the tarball", () => {
    for (const name of NAMES) {
      const manifest = JSON.parse(readFileSync(join(root, PACKAGES[name], "package.json"), "utf8")) as {
        exports: unknown;
        imports?: unknown;
        bin?: unknown;
      };
      const packed = tarball(name).files.map((file) => `./${file.path}`);
      const isPacked = (target: string): boolean =>
        target.endsWith("*") ? packed.some((path) => path.startsWith(target.slice(0, -1))) : packed.includes(target);
      expect(targetsOf([manifest.exports, manifest.imports, manifest.bin]).filter((target) => !isPacked(target))).toEqual([]);
    }
  });
});

/** Every string in a tree of conditions. */
function targetsOf(tree: unknown): string[] {
  if (typeof tree === "string") return [tree];
  return tree && typeof tree === "object" ? Object.values(tree).flatMap(targetsOf) : [];
}

describe("Node", () => {
  it("imports it as ESM and runs natively", () => {
    const done = node(both, IMPORTS + RUN);
    expect(done.stderr).toBe("");
    expect(JSON.parse(done.stdout)).toMatchObject({ backend: "native", shape: [1, 7], kept: [1, 3, 512] });
  });

  it("falls back to WASM with one line of notice when the addon is not there, and computes the same", () => {
    const [native, wasm] = [node(both, IMPORTS + RUN), node(wasmOnly, IMPORTS + RUN)];
    expect(wasm.stderr.trim().split("\n")).toHaveLength(1);
    expect(wasm.stderr).toMatch(/using WebAssembly/);
    const [a, b] = [native, wasm].map((done) => JSON.parse(done.stdout) as { backend: string; logits: number[] });
    expect([a?.backend, b?.backend]).toEqual(["native", "wasm"]);
    const largest = Math.max(...(a?.logits ?? []).map(Math.abs));
    for (const [i, x] of (a?.logits ?? []).entries()) expect(Math.abs(x - (b?.logits[i] ?? Number.NaN))).toBeLessThanOrEqual(1e-5 * largest);
  });

  it("gives a typed error, and no crash, when the addon is asked for and not there", () => {
    const done = node(wasmOnly, `${IMPORTS}try { await loadCore({ backend: "native" }); } catch (error) { console.log(error.code); }`);
    expect(done).toMatchObject({ code: 0, stdout: "E_BACKEND\n" });
  });

  it("can be required from CommonJS", () => {
    const source = `const { loadCore, Model } = require("tritlens"); const { liConfig } = require("tritlens/models"); (async () => {${RUN}})();`;
    const done = node(both, source, { ending: "cjs", flags: ["--disable-warning=ExperimentalWarning"] });
    expect(done.stderr).toBe("");
    expect(JSON.parse(done.stdout)).toMatchObject({ backend: "native", shape: [1, 7] });
  });

  it("reads and writes model files without a core", () => {
    const done = node(
      both,
      `import { memorySink, openGguf, writeGguf } from "tritlens/io";
const sink = memorySink();
await writeGguf(sink, { metadata: new Map(), tensors: [{ name: "a", type: "F32", shape: [1, 2], data: () => new Uint8Array(8) }] });
await writeGguf("a.gguf", { metadata: new Map(), tensors: [{ name: "a", type: "F32", shape: [1, 2], data: () => new Uint8Array(8) }] });
for (const input of [sink.bytes, "a.gguf"]) console.log(JSON.stringify((await openGguf(input)).tensors.get("a").shape));`,
    );
    expect(done).toMatchObject({ code: 0, stderr: "", stdout: "[1,2]\n[1,2]\n" });
  });

  it("installs the command", () => {
    const bin = join(both, "node_modules", ".bin", "tritlens");
    const help = execFileSync(bin, ["--help"], { cwd: both, encoding: "utf8", shell: process.platform === "win32" });
    expect(help).toContain("reproduce");
    expect(help).toContain("analyze");
  });
});

describe("TypeScript", () => {
  it.each(["NodeNext", "Bundler"])("the declarations are found with moduleResolution %s", (resolution) => {
    const source = `${IMPORTS}import type { Core } from "tritlens";\nimport { openGguf } from "tritlens/io";\nexport const file = openGguf(new URL("https://example.org/a.gguf"));\nconst core: Core = await loadCore();\nexport const model: Model = Model.fromConfig(liConfig({ p: 7 }), { core });\n// @ts-expect-error p is a number\nliConfig({ p: "7" });\n`;
    writeFileSync(join(both, "consumer.ts"), source);
    const options = {
      strict: true,
      noEmit: true,
      target: "ES2022",
      lib: ["ES2023", "DOM"],
      module: resolution === "Bundler" ? "ESNext" : resolution,
      moduleResolution: resolution,
      types: [],
    };
    writeFileSync(join(both, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["consumer.ts"] }));
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    expect(spawnSync(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: both, encoding: "utf8" }).stdout).toBe("");
  });
});

describe("a bundler", () => {
  it("bundles it for the browser without anything of Node", async () => {
    const bundled = await build({
      stdin: { contents: IMPORTS + RUN, resolveDir: both },
      bundle: true,
      format: "esm",
      platform: "browser",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    expect(bundled.warnings).toEqual([]);
    const inputs = Object.keys(bundled.metafile.inputs);
    expect(inputs.some((file) => file.endsWith("core/platform/browser.js"))).toBe(true);
    expect(inputs.filter((file) => /platform\/node\.js|@tritlens\/native|^node:/.test(file))).toEqual([]);
  });

  it("drops what is not imported", async () => {
    const size = async (contents: string): Promise<number> => {
      const { outputFiles } = await build({
        stdin: { contents, resolveDir: both },
        bundle: true,
        minify: true,
        format: "esm",
        platform: "browser",
        write: false,
      });
      return (outputFiles[0] as { contents: Uint8Array }).contents.length;
    };
    const [one, all] = [
      await size(`import { modularAddition } from "tritlens"; console.log(modularAddition({ p: 5 }))`),
      await size(`export * from "tritlens"`),
    ];
    expect(one).toBeLessThan(all / 3);
  });
});
