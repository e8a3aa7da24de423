import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readFileBytes, writeFileAtomic } from "./files.ts";
import { LOCK_NAME, lockFolder } from "./lock.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens spaces é\n"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("writeFileAtomic", () => {
  it("replaces a file and leaves nothing else behind", async () => {
    const path = join(folder, "a.bin");
    await writeFileAtomic(path, Uint8Array.of(1, 2));
    await writeFileAtomic(path, Uint8Array.of(3));
    expect([...(await readFileBytes(path))]).toEqual([3]);
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });
  it("keeps the old file and removes its temporary one when the write fails", async () => {
    const path = join(folder, "a.bin");
    await writeFileAtomic(path, Uint8Array.of(1));
    const bad = new Proxy(Uint8Array.of(2), {}); // not a real view: the file system refuses it after the file is open
    await expect(writeFileAtomic(path, bad)).rejects.toMatchObject({ code: "E_IO" });
    expect([...(await readFileBytes(path))]).toEqual([1]);
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });
  it("says what the system said", async () => {
    await expect(writeFileAtomic(join(folder, "missing", "a"), Uint8Array.of(1))).rejects.toThrow(/E_IO.*ENOENT/);
    await expect(readFileBytes(join(folder, "missing"))).rejects.toMatchObject({ code: "E_IO", found: expect.stringContaining("ENOENT") });
  });
});

describe("lockFolder", () => {
  it("admits one holder and names it", async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: "E_LOCKED", found: `process ${process.pid}` });
    await lock.release();
    await lock.release();
    await (await lockFolder(folder)).release();
    expect(await readdir(folder)).toEqual([]);
  });
  it("takes over the lock of a dead process and of a reused pid", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    await writeFile(join(folder, LOCK_NAME), JSON.stringify({ pid: child.pid, started: "" }));
    await (await lockFolder(folder)).release();
    await writeFile(join(folder, LOCK_NAME), JSON.stringify({ pid: process.pid, started: "1" }));
    await (await lockFolder(folder)).release();
    await writeFile(join(folder, LOCK_NAME), "{garbage");
    const lock = await lockFolder(folder);
    expect(JSON.parse(await readFile(join(folder, LOCK_NAME), "utf8"))).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  // Elsewhere there is no /proc to ask.
  it.runIf(process.platform === "linux")("takes over the lock of a killed process that nobody has waited for", async () => {
    // The shell becomes `sleep 30`, which never waits for its child: the child stays a zombie.
    const parent = spawn("sh", ["-c", "sleep 0.05 & echo $!; exec sleep 30"]);
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    await new Promise((resolve) => setTimeout(resolve, 300));
    const pid = Number(line.toString());
    expect(await readFile(`/proc/${pid}/stat`, "utf8")).toContain(" Z ");
    await writeFile(join(folder, LOCK_NAME), JSON.stringify({ pid, started: "" }));
    await (await lockFolder(folder)).release();
    parent.kill();
  });
});
