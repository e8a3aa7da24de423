import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSafetensors } from "./safetensors.ts";
import { openSafetensors, readTensorBytes } from "./safetensors-reader.ts";
import { type SafetensorsItem, writeSafetensors } from "./safetensors-writer.ts";
import { memorySink } from "./sink.ts";

/** Written by the safetensors library. */
const REFERENCE = fileURLToPath(new URL("../../../../tests/golden/quantizers/quantizers.safetensors", import.meta.url));

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens é "));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A file with f32 tensors that hold their own index. */
async function shard(names: readonly string[], metadata?: ReadonlyMap<string, string>): Promise<Uint8Array> {
  const sink = memorySink();
  const tensors = names.map(
    (name, i): SafetensorsItem => ({ name, dtype: "F32", shape: [1], data: () => new Uint8Array(new Float32Array([i]).buffer) }),
  );
  await writeSafetensors(sink, { tensors, ...(metadata ? { metadata } : {}) });
  return sink.bytes;
}

const index = (map: Record<string, string>): string => JSON.stringify({ metadata: { total_size: 12.5, extra: null, x: -1 }, weight_map: map });

async function put(files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
}

describe("a single file", () => {
  it("gives the tensors that the whole-file parser gives", async () => {
    const whole = parseSafetensors(new Uint8Array(await readFile(REFERENCE)));
    const lazy = await openSafetensors(REFERENCE);
    expect([...lazy.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    for (const [name, t] of whole.tensors) {
      const found = lazy.tensors.get(name)!;
      expect([found.dtype, found.shape]).toEqual([t.dtype, t.shape]);
      expect(Buffer.compare(await readTensorBytes(found), t.bytes)).toBe(0);
    }
    await lazy.close();
    await expect(readTensorBytes(lazy.tensors.get("W")!)).rejects.toMatchObject({ code: "E_CLOSED" });
  });

  it("is written as the reference writes it", async () => {
    const lazy = await openSafetensors(REFERENCE);
    const path = join(folder, "again.safetensors");
    const tensors = [...lazy.tensors.values()]
      .reverse()
      .map((t) => ({ name: t.name, dtype: t.dtype, shape: t.shape, data: () => readTensorBytes(t) }));
    await writeSafetensors(path, { tensors, metadata: lazy.metadata });
    await lazy.close();
    expect((await readFile(path)).equals(await readFile(REFERENCE))).toBe(true);
  });
});

describe("a split checkpoint", () => {
  const map = { a: "model-1.safetensors", b: "model-2.safetensors" };

  it("opens from its folder, its index, its files", async () => {
    const files = { "model-1.safetensors": await shard(["a"]), "model-2.safetensors": await shard(["b", "c"]) };
    await put({ ...files, "model.safetensors.index.json": index(map), "config.json": "{}" });
    const named = Object.entries(files).map(([name, bytes]) => new File([bytes as Uint8Array<ArrayBuffer>], name));
    for (const input of [folder, join(folder, "model.safetensors.index.json"), named]) {
      const found = await openSafetensors(input);
      expect([...found.tensors.keys()]).toEqual(["a", "b", "c"]);
      expect(new Float32Array((await readTensorBytes(found.tensors.get("c")!)).slice().buffer)[0]).toBe(1);
      await found.close();
    }
  });

  it("names what is missing, twice, or elsewhere", async () => {
    await put({ "model.safetensors.index.json": index(map), "model-1.safetensors": await shard(["a"]) });
    await expect(openSafetensors(folder)).rejects.toThrow(/E_FORMAT.*no model-2\.safetensors/);
    await put({ "model-2.safetensors": await shard(["c"]) });
    await expect(openSafetensors(folder)).rejects.toThrow(/E_FORMAT.*"b".*model-2\.safetensors/);
    await put({ "model-2.safetensors": await shard(["b", "a"]) });
    await expect(openSafetensors(folder)).rejects.toThrow(/E_FORMAT.*"a" is in two files.*model-1\.safetensors and model-2\.safetensors/);
    await put({ "model-1.safetensors": await shard(["b"]), "model-2.safetensors": await shard(["a"]) });
    await expect(openSafetensors(folder)).rejects.toThrow(/E_FORMAT.*it in model-1\.safetensors.*it in model-2\.safetensors/);
  });

  it("does not follow links out of the folder, except into the blobs of Hugging Face's cache", async () => {
    const snapshot = join(folder, "models--x", "snapshots", "abc");
    const blobs = join(folder, "models--x", "blobs");
    await mkdir(snapshot, { recursive: true });
    await mkdir(blobs);
    await writeFile(join(blobs, "0123"), await shard(["a"]));
    await symlink("../../blobs/0123", join(snapshot, "model.safetensors"));
    const found = await openSafetensors(snapshot);
    expect([...found.tensors.keys()]).toEqual(["a"]);
    await found.close();
    await mkdir(join(snapshot, "part"));
    await symlink("../../../blobs/0123", join(snapshot, "part", "model.safetensors"));
    await (await openSafetensors(join(snapshot, "part"))).close();
    await rm(join(snapshot, "model.safetensors"));
    await copyFile(join(blobs, "0123"), join(folder, "outside"));
    await symlink("../../../outside", join(snapshot, "model.safetensors"));
    await expect(openSafetensors(snapshot)).rejects.toThrow(/E_FORMAT.*leaves its folder/);
    // A path that the caller wrote is followed wherever it leads.
    await (await openSafetensors(join(snapshot, "model.safetensors"))).close();
  });

  it("says what a folder has instead", async () => {
    await put({ "pytorch_model.bin": "PK\u0003\u0004" });
    await expect(openSafetensors(folder)).rejects.toThrow(/E_FORMAT.*pytorch_model\.bin \(pickles/);
    await expect(openSafetensors(join(folder, "pytorch_model.bin"))).rejects.toThrow(/E_FORMAT/);
    await put({ "a.safetensors": await shard(["a"]), "b.safetensors": await shard(["b"]) });
    await expect(openSafetensors(folder)).rejects.toThrow(/2 files and no index: a\.safetensors, b\.safetensors/);
  });
});
