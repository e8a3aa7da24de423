import { execFileSync } from "node:child_process";
import { mkdtemp, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSource } from "./open.ts";
import type { ByteSource, LoadProgress } from "./source.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tritlens é "));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Bytes 0, 1, ..., 250, 0, 1, ... */
const counted = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length }, (_, i) => i % 251);
const some = async (source: ByteSource, offset: number, length: number): Promise<number[]> => {
  const into = new Uint8Array(length);
  await source.read(offset, into);
  return [...into];
};

describe("every source", () => {
  const content = counted(1000);
  it("reads by position into the caller's bytes, and refuses what lies outside", async () => {
    const path = join(folder, "a.bin");
    await writeFile(path, content);
    await symlink(path, join(folder, "link"));
    const inputs = [path, join(folder, "link"), pathToFileURL(path), new Blob([content]), new File([content], "a.bin"), content, content.buffer];
    for (const input of inputs) {
      const source = await openSource(input);
      expect(source.size).toBe(1000);
      expect(await some(source, 600, 3)).toEqual([98, 99, 100]);
      const around = new Uint8Array(8).fill(9);
      await source.read(998, around.subarray(2, 4));
      expect([...around]).toEqual([9, 9, 245, 246, 9, 9, 9, 9]);
      for (const [offset, length] of [
        [999, 2],
        [-1, 1],
        [0.5, 1],
        [2 ** 60, 1],
      ] as const)
        await expect(some(source, offset, length)).rejects.toMatchObject({ code: "E_RANGE" });
      await source.close();
      await source.close();
      await expect(some(source, 0, 1)).rejects.toMatchObject({ code: "E_CLOSED" });
    }
  });

  it("reports progress, and passes on what the callback throws", async () => {
    const events: LoadProgress[] = [];
    const source = await openSource(content, { onProgress: (event) => events.push(event) });
    await some(source, 0, 250);
    await some(source, 250, 750);
    expect(events.map(({ status, loaded, total, progress }) => [status, loaded, total, progress])).toEqual([
      ["initiate", 0, 1000, 0],
      ["progress", 250, 1000, 25],
      ["done", 1000, 1000, 100],
    ]);
    const failing = { onProgress: () => expect.unreachable("thrown by the callback") };
    await expect(openSource(content, failing)).rejects.toThrow("thrown by the callback");
  });

  it("stops when it is aborted", async () => {
    const abort = new AbortController();
    const source = await openSource(content, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(some(source, 0, 1)).rejects.toMatchObject({ code: "E_ABORTED", cause: expect.objectContaining({ message: "enough" }) });
    await expect(openSource(content, { signal: abort.signal })).rejects.toMatchObject({ code: "E_ABORTED" });
  });
});

describe("a file", () => {
  it("is read behind 2 and 4 GiB", async () => {
    const path = join(folder, "sparse");
    const size = 2 ** 32 + 2 ** 20;
    const file = await open(path, "w");
    await file.write(counted(16), 0, 16, size - 16);
    await file.close();
    const source = await openSource(path);
    expect(source.size).toBe(size);
    expect(await some(source, size - 3, 3)).toEqual([13, 14, 15]);
    await source.close();
  });

  it("that shrinks gives E_IO with both sizes", async () => {
    const path = join(folder, "shrinks");
    await writeFile(path, counted(1000));
    const source = await openSource(path);
    await truncate(path, 600);
    expect(await some(source, 0, 1)).toEqual([0]);
    await expect(some(source, 500, 200)).rejects.toMatchObject({ code: "E_IO", expected: "1000 bytes", found: "600 bytes" });
    await source.close();
  });

  it("has to be a file", async () => {
    await expect(openSource(folder)).rejects.toThrow(/E_IO.*a folder/);
    await expect(openSource(join(folder, "missing"))).rejects.toThrow(/E_IO.*ENOENT/);
    if (process.platform !== "win32") {
      execFileSync("mkfifo", [join(folder, "pipe")]);
      await expect(openSource(join(folder, "pipe"))).rejects.toThrow(/E_IO.*a device/);
    }
  });
});

describe("a URL", () => {
  const content = counted(200_000);
  let server: Server;
  let url = "";
  let asked: string[] = [];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  /** What a server with ranges does. */
  const ranges = (request: IncomingMessage, response: ServerResponse, body: Uint8Array = content, etag = '"1"'): void => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    if (request.method === "HEAD" || from === undefined) {
      response.writeHead(200, { "content-length": body.length });
      response.end(request.method === "HEAD" ? undefined : body);
    } else if (Number(from) >= body.length) {
      response.writeHead(416, { "content-range": `bytes */${body.length}` });
      response.end();
    } else {
      const end = Math.min(Number(to), body.length - 1);
      response.writeHead(206, { "content-range": `bytes ${from}-${end}/${body.length}`, etag });
      response.end(body.subarray(Number(from), end + 1));
    }
  };

  beforeEach(async () => {
    asked = [];
    answer = (request, response) => ranges(request, response);
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.headers.range ?? "all"}`);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("is read by ranges, its first 64 KiB once", async () => {
    const source = await openSource(new URL(url));
    expect(source.size).toBe(200_000);
    await some(source, 0, 24);
    expect(await some(source, 100_000, 2)).toEqual([102, 103]);
    expect(asked).toEqual(["GET bytes=0-65535", "GET bytes=100000-100001"]);
    await source.close();
  });

  it("whose server sends no ranges is downloaded once", async () => {
    answer = (_, response) => void response.end(content);
    const events: string[] = [];
    const source = await openSource(url, { onProgress: ({ status, loaded }) => events.push(`${status} ${loaded}`) });
    expect(await some(source, 199_999, 1)).toEqual([199_999 % 251]);
    expect(asked).toHaveLength(1);
    expect([events[0], events.at(-1)]).toEqual(["initiate 0", "done 200000"]);
    const failing = { onProgress: () => expect.unreachable("thrown by the callback") };
    await expect(openSource(url, failing)).rejects.toThrow("thrown by the callback");
    answer = (_, response) => {
      // Without a length.
      response.write(content.subarray(0, 1000));
      response.end(content.subarray(1000));
    };
    expect((await openSource(url)).size).toBe(200_000);
  });

  it("asks for the size apart where the range's header is hidden", async () => {
    const hide: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const headers = new Headers(response.headers);
      headers.delete("content-range");
      return new Response(init?.method === "HEAD" ? null : response.body, { status: response.status, headers });
    };
    expect((await openSource(url, { fetch: hide })).size).toBe(200_000);
    expect(asked).toEqual(["GET bytes=0-65535", "HEAD all"]);
  });

  it("gives E_IO for what servers answer, and never asks again", async () => {
    for (const status of [401, 404, 500]) {
      answer = (_, response) => {
        response.writeHead(status);
        response.end("<html>");
      };
      await expect(openSource(url)).rejects.toThrow(new RegExp(`E_IO.*${status}`));
    }
    expect(asked).toHaveLength(3);
    answer = (_, response) => response.destroy();
    await expect(openSource(url)).rejects.toMatchObject({ code: "E_IO" });
    answer = (request, response) => ranges(request, response, new Uint8Array(0));
    expect((await openSource(url)).size).toBe(0);
  });

  it("finds out when the file changes, shrinks, or breaks off", async () => {
    const source = await openSource(url);
    answer = (request, response) => ranges(request, response, content.subarray(0, 150_000));
    await expect(some(source, 100_000, 10)).rejects.toMatchObject({ code: "E_IO", expected: "200000 bytes", found: "150000 bytes" });
    await expect(some(source, 199_000, 10)).rejects.toMatchObject({ code: "E_IO", found: "150000 bytes" });
    answer = (request, response) => ranges(request, response, content, '"2"');
    await expect(some(source, 100_000, 10)).rejects.toThrow(/E_IO.*changed/);
    answer = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 100000-100009/200000", etag: '"1"' });
      response.end("short");
    };
    await expect(some(source, 100_000, 10)).rejects.toThrow(/E_IO.*changed.*10 bytes.*5 bytes/);
    answer = (_, response) => {
      response.writeHead(206, { "content-range": "bytes 100000-100009/200000", etag: '"1"', "content-length": "10" });
      response.write("abc");
      setTimeout(() => response.destroy(), 20);
    };
    await expect(some(source, 100_000, 10)).rejects.toMatchObject({ code: "E_IO" });
  });

  it("can be aborted and closed in the middle of a request", async () => {
    const abort = new AbortController();
    const sources = [await openSource(url, { signal: abort.signal }), await openSource(url)];
    answer = () => undefined;
    const reads = sources.map((source) => some(source, 100_000, 10));
    const codes = Promise.all(reads.map((read) => read.catch((error: { code: string }) => error.code)));
    setTimeout(() => {
      abort.abort();
      void sources[1]?.close();
    }, 20);
    expect(await codes).toEqual(["E_ABORTED", "E_CLOSED"]);
  });

  it("is not kept where there is no store for it", async () => {
    for (const cache of ["cache-api", "opfs"] as const) await expect(openSource(url, { cache })).rejects.toMatchObject({ code: "E_BACKEND" });
  });
});
