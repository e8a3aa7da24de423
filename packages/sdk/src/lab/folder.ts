/**
 * The output folder: where everything lies, and reading and writing it. JSON is written atomically; curves are appended line by line, and a torn last
 * line (kill -9) is dropped when read.
 *
 * ```text
 * OUT/experiment.json          what may not change between resumes
 * OUT/results.json  report.html
 * OUT/runs/MODE-sSEED/         checkpoint.safetensors  final.safetensors  curves.jsonl  snapshots/  progress.json  analysis.json  pictures.json  run.json
 * ```
 */
import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { TritlensError } from "../core/index.ts";
import { writeFileAtomic } from "../io/index.ts";

/** Paths of an experiment. */
export class OutputFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get experiment(): string {
    return join(this.path, "experiment.json");
  }
  get results(): string {
    return join(this.path, "results.json");
  }
  get report(): string {
    return join(this.path, "report.html");
  }

  /** The folder of one run. */
  run(mode: string, seed: number): RunFolder {
    return new RunFolder(this.path, join("runs", `${mode}-s${seed}`));
  }

  /** Makes the folder. @throws E_IO. */
  async make(): Promise<void> {
    await io(`make ${this.path}`, () => mkdir(this.path, { recursive: true }));
  }

  /** Removes what an experiment wrote, and nothing else. @throws E_IO when the folder holds other things and no experiment. */
  async clear(): Promise<void> {
    const entries = await io(`read ${this.path}`, () => readdir(this.path));
    const others = entries.filter((name) => name !== "experiment.json" && !name.startsWith(".tritlens"));
    if (others.length > 0 && !entries.includes("experiment.json")) {
      throw new TritlensError("E_IO", `${this.path} is no output folder of tritlens; nothing was removed`, {
        expected: "experiment.json in it",
        found: others.slice(0, 3).join(", "),
      });
    }
    for (const name of ["runs", "results.json", "report.html", "experiment.json"])
      await io(`remove ${name}`, () => rm(join(this.path, name), { recursive: true, force: true }));
  }
}

/** Paths of one run. */
export class RunFolder {
  readonly path: string;
  /** Relative to the output folder, with forward slashes, as results.json names files. */
  readonly name: string;

  constructor(out: string, name: string) {
    this.path = join(out, name);
    this.name = name.replaceAll("\\", "/");
  }

  file(
    name: "checkpoint.safetensors" | "final.safetensors" | "curves.jsonl" | "progress.json" | "analysis.json" | "pictures.json" | "run.json",
  ): string {
    return join(this.path, name);
  }
  get snapshots(): string {
    return join(this.path, "snapshots");
  }
  snapshot(epoch: number): string {
    return join(this.snapshots, `epoch-${String(epoch).padStart(7, "0")}.safetensors`);
  }

  async make(): Promise<void> {
    await io(`make ${this.snapshots}`, () => mkdir(this.snapshots, { recursive: true }));
  }

  /** Epochs of which there is a snapshot, ascending. */
  async snapshotEpochs(): Promise<number[]> {
    const names = await readdir(this.snapshots).catch(() => [] as string[]);
    const epochs = names.map((n) => /^epoch-(\d+)\.safetensors$/.exec(n)?.[1]).filter((n): n is string => n !== undefined);
    return epochs.map(Number).sort((a, b) => a - b);
  }

  async dropSnapshots(): Promise<void> {
    await io(`remove ${this.snapshots}`, () => rm(this.snapshots, { recursive: true, force: true }));
  }
}

/** Writes JSON atomically. Numbers that are not finite become null. @throws E_IO. */
export async function writeJson(path: string, value: unknown, indent?: number): Promise<void> {
  await writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(value, null, indent)}\n`));
}

/** Reads JSON; null when the file is not there. @throws E_FORMAT when it is no JSON. */
export async function readJson<T>(path: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return null;
    throw ioError(`read ${path}`, cause);
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new TritlensError("E_FORMAT", `${path} is not JSON`, { expected: "a file this program wrote", found: `${text.length} characters`, cause });
  }
}

/** Appends one line of JSON. @throws E_IO. */
export async function appendLine(path: string, value: unknown): Promise<void> {
  await io(`append to ${path}`, () => appendFile(path, `${JSON.stringify(value)}\n`));
}

/** Reads lines of JSON; a line that is no JSON ends the reading (it is the torn last one). */
export async function readLines<T>(path: string): Promise<T[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const out: T[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      out.push(JSON.parse(line) as T);
    } catch {
      break;
    }
  }
  return out;
}

async function io<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw ioError(what, cause);
  }
}

function ioError(what: string, cause: unknown): TritlensError {
  return new TritlensError("E_IO", `cannot ${what}`, { found: cause instanceof Error ? cause.message : String(cause), cause });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
