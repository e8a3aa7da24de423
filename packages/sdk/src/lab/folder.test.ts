import { appendFile, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { appendLine, OutputFolder, readJson, readLines, writeJson } from "./folder.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tritlens-folder-"));
});

describe("lines", () => {
  it("come back in order, without a torn last one", async () => {
    const path = join(dir, "curves.jsonl");
    await appendLine(path, { epoch: 10 });
    await appendLine(path, { epoch: 20 });
    await appendFile(path, '{"epoch":3');
    expect(await readLines(path)).toEqual([{ epoch: 10 }, { epoch: 20 }]);
  });

  it("are none when there is no file", async () => {
    expect(await readLines(join(dir, "none"))).toEqual([]);
  });
});

describe("JSON", () => {
  it("survives the round trip, and is null when missing", async () => {
    await writeJson(join(dir, "a.json"), { x: [1, Number.NaN] });
    expect(await readJson(join(dir, "a.json"))).toEqual({ x: [1, null] });
    expect(await readJson(join(dir, "b.json"))).toBeNull();
  });

  it("names a file that is no JSON", async () => {
    await writeFile(join(dir, "c.json"), "{");
    await expect(readJson(join(dir, "c.json"))).rejects.toThrow(/^E_FORMAT: .*c\.json is not JSON/);
  });
});

describe("clearing", () => {
  it("removes an experiment and leaves what else is there", async () => {
    const out = new OutputFolder(dir);
    await writeJson(out.experiment, {});
    await out.run("fp32", 0).make();
    await writeFile(join(dir, "notes.txt"), "mine");
    await out.clear();
    expect(await readdir(dir)).toEqual(["notes.txt"]);
  });

  it("refuses a folder that is not ours", async () => {
    await writeFile(join(dir, "thesis.tex"), "years of work");
    await expect(new OutputFolder(dir).clear()).rejects.toThrow(/^E_IO: .*nothing was removed.*thesis\.tex/);
    expect(await readdir(dir)).toEqual(["thesis.tex"]);
  });
});

describe("runs", () => {
  it("lists snapshots by epoch", async () => {
    const run = new OutputFolder(dir).run("fp32", 3);
    await run.make();
    for (const epoch of [1000, 0, 200]) await writeFile(run.snapshot(epoch), "");
    await writeFile(join(run.snapshots, ".epoch-5.tmp"), "");
    expect(await run.snapshotEpochs()).toEqual([0, 200, 1000]);
    expect(run.name).toBe("runs/fp32-s3");
  });
});
