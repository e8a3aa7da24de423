/**
 * A checkpoint of BitNet-2B's shape (8 of its 30 layers, its whole vocabulary) is loaded, run and captured from by a process of its own, whose memory is read from
 * outside: loading takes the file and a tenth, running what `plan` said and a tenth.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { MemoryPlan } from "tritlens";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeLargeFolder, writeLargeGguf } from "../support/large-checkpoint.ts";

const LAYERS = 8;
/** The allocator's and the garbage collector's slack in a process that does nothing else. */
const SLACK = 24e6;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/tritlens-large-`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a model of BitNet-2B's shape", () => {
  it("as a GGUF file", async () => {
    const path = `${folder}/model.gguf`;
    await writeLargeGguf(path, LAYERS);
    await expectWithinPlan(path, statSync(path).size);
    rmSync(path);
  });

  it("as packed rows of transformers", async () => {
    writeLargeFolder(`${folder}/hf`, LAYERS);
    await expectWithinPlan(`${folder}/hf`, statSync(`${folder}/hf/model.safetensors`).size);
  });
});

interface Step {
  readonly step: string;
  readonly told?: MemoryPlan;
  readonly sites?: number;
  readonly finite?: boolean;
  readonly seconds?: number;
}

async function expectWithinPlan(path: string, fileBytes: number): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("child.mjs", import.meta.url)), path], { stdio: "pipe" });
  const errors: string[] = [];
  child.stderr.on("data", (d) => errors.push(String(d)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (step: string): Promise<Step> => {
    const { value, done } = await lines.next();
    expect(done, errors.join("")).not.toBe(true);
    const found = JSON.parse(value as string) as Step;
    expect(found.step).toBe(step);
    return found;
  };
  try {
    await next("idle");
    const idle = peak(child);
    go(child);
    const { told } = (await next("planned")) as { told: MemoryPlan };
    expect(peak(child) - idle, "peak while planning").toBeLessThan(SLACK);
    go(child);
    const loaded = await next("loaded");
    const loading = peak(child) - idle;
    resetPeak(child);
    go(child);
    const ran = await next("ran");
    const running = peak(child) - idle;
    go(child);
    console.log(
      `${path}: file ${mb(fileBytes)}, loading ${mb(loading)} in ${loaded.seconds?.toFixed(1)} s, plan ${mb(told.total)}, running ${mb(running)} in ${ran.seconds?.toFixed(1)} s`,
    );
    expect(ran).toMatchObject({ sites: LAYERS, finite: true });
    expect(loading, "peak while loading").toBeLessThanOrEqual(1.1 * fileBytes + SLACK);
    expect(running, "peak while running").toBeLessThanOrEqual(1.1 * told.total + SLACK);
    expect(told.total, "the plan is no mere upper bound").toBeLessThanOrEqual(1.1 * running);
  } finally {
    child.kill("SIGKILL");
  }
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

function go(child: ChildProcessWithoutNullStreams): void {
  child.stdin.write("\n");
}

/** Most memory the process had since it began, or since the last reset. Where there is no /proc, what it has now. */
function peak({ pid }: ChildProcessWithoutNullStreams): number {
  const status = `/proc/${pid}/status`;
  if (existsSync(status)) return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, "utf8"))?.[1]) * 1024;
  return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;
}

function resetPeak({ pid }: ChildProcessWithoutNullStreams): void {
  if (existsSync(`/proc/${pid}/clear_refs`)) writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
