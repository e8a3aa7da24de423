/** A researcher copies an analysis out of the package into a project of their own and changes it there: the copy has to compile and run as it is. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyFolder, install, node, PACKAGES, type PackageName, pack, requireBuilt, root } from "./project.ts";

const source = join(root, "packages/sdk/src/interp");
/** Every analysis; `modadd` and `math`, which is its, are one analysis in many files. */
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts") && !/(^|\/)index\.ts$|\.test\.ts$|^(modadd|math)\//.test(path));

const SETTINGS = {
  target: "ES2022",
  module: "NodeNext",
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  lib: ["ES2023", "DOM", "ESNext.Disposable"],
};

const RUN = `
import { loadCore, Model } from "tritlens";
import { logitDiff } from "tritlens/interp";
import { logitLens } from "./copied/logit-lens.mjs";
import { getActPatchResidPre } from "./copied/patching_residual.mjs";
await loadCore();
const model = Model.fromConfig({ nLayers: 2, dModel: 16, nHeads: 2, dHead: 8, nCtx: 8, dVocab: 11 }, { seed: 3 });
const [clean, corrupt] = [[[1, 2, 3, 4]], [[1, 7, 3, 4]]];
const patch = await getActPatchResidPre(model, corrupt, model.runWithCache(clean).cache, logitDiff(3, 5));
const lens = await logitLens(model, clean);
console.log(String(patch).length > 20 && patch.svg().startsWith("<svg") && String(lens).length > 20 ? "ran" : "printed nothing");
`;

let folder: string;
let project: string;

beforeAll(() => {
  requireBuilt();
  folder = emptyFolder("copied");
  const names = Object.keys(PACKAGES) as PackageName[];
  project = install(
    join(folder, "project"),
    names.map((name) => pack(name, folder)),
  );
  mkdirSync(join(project, "copied"));
  for (const path of files) {
    const text = readFileSync(join(source, path), "utf8");
    const name = path.replaceAll("/", "_").replace(/\.ts$/, "");
    writeFileSync(join(project, "copied", `${name}.ts`), text);
    writeFileSync(join(project, "copied", `${name}.mjs`), transformSync(text, { loader: "ts", format: "esm" }).code);
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: SETTINGS, include: ["copied/*.ts"] }));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("copied analyses", () => {
  it("are files of one analysis each that import nothing but the package", () => {
    expect(files.length).toBeGreaterThan(40);
    for (const path of files) {
      const imports = [...readFileSync(join(source, path), "utf8").matchAll(/^(?:import|export|\})[^;]*? from "([^"]+)"/gm)].map((m) => m[1]);
      expect(
        imports.filter((name) => !/^tritlens(\/\w+)?$/.test(name as string)),
        path,
      ).toEqual([]);
    }
  });

  it("compile in a project of one's own", () => {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    expect(spawnSync(process.execPath, [tsc, "-p", project], { cwd: project, encoding: "utf8" }).stdout).toBe("");
  });

  it("can be imported, every one", () => {
    const names = readdirSync(join(project, "copied")).filter((name) => name.endsWith(".mjs"));
    const imports = names.map((name) => `await import("./copied/${name}");`).join("\n");
    expect(node(project, `${imports}\nconsole.log("imported");`)).toMatchObject({ code: 0, stdout: "imported\n" });
  });

  it("run", () => {
    expect(node(project, RUN)).toMatchObject({ code: 0, stdout: "ran\n" });
  });
});
