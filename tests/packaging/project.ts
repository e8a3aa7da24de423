/** Packs the packages as npm would publish them and installs the tarballs into empty projects. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** The three packages, by name. */
export const PACKAGES = { tritlens: "packages/sdk", "@tritlens/native": "bindings/node", "@tritlens/wasm": "bindings/wasm" } as const;
export type PackageName = keyof typeof PACKAGES;

/** What has to be built before anything can be packed. A missing part fails the suite: it would otherwise test a package nobody can use. */
const BUILT = ["packages/sdk/dist/index.js", "packages/sdk/dist/lab/report/assets/report.js", "bindings/wasm/pkg/tritlens_wasm_bg.wasm"];

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Fails with the command to type when something is not built. */
export function requireBuilt(): void {
  const missing = BUILT.filter((file) => !existsSync(join(root, file)));
  if (!readdirSync(join(root, "bindings/node")).some((name) => name.endsWith(".node"))) missing.push("bindings/node/*.node");
  if (missing.length > 0) throw new Error(`not built: ${missing.join(", ")}; run \`npm run setup\` first`);
}

function npm(args: string[], cwd: string): string {
  return execFileSync("npm", [...args, "--loglevel", "error"], { cwd, encoding: "utf8", shell: process.platform === "win32" });
}

/** One file of a tarball. */
export interface PackedFile {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
}

/** A packed package. */
export interface Tarball {
  readonly file: string;
  readonly files: readonly PackedFile[];
}

/** `npm pack` of one package into `folder`. */
export function pack(name: PackageName, folder: string): Tarball {
  const [made] = JSON.parse(npm(["pack", "--json", "--pack-destination", folder], join(root, PACKAGES[name]))) as {
    filename: string;
    files: PackedFile[];
  }[];
  if (!made) throw new Error(`npm pack made nothing of ${name}`);
  return { file: join(folder, made.filename), files: made.files };
}

/** A folder of the system's temporary files, spaces and letters outside of ASCII in its name on purpose. */
export function emptyFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `tritlens ${name} é `));
}

/** An empty project in which only `tarballs` are installed, without running any install script. */
export function install(folder: string, tarballs: readonly Tarball[]): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", version: "1.0.0", private: true, type: "module" }));
  npm(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional", ...tarballs.map(({ file }) => file)], folder);
  return folder;
}

/** Runs a script with Node inside a project. */
export function node(folder: string, source: string, args: { ending?: string; flags?: string[]; env?: NodeJS.ProcessEnv } = {}): Outcome {
  const file = join(folder, `script.${args.ending ?? "mjs"}`);
  writeFileSync(file, source);
  const { TRITLENS_BACKEND: _forced, TRITLENS_ISA: _kernels, ...env } = process.env;
  const done = spawnSync(process.execPath, [...(args.flags ?? []), file], { cwd: folder, encoding: "utf8", env: { ...env, ...args.env } });
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}
