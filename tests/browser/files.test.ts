/** Model files in Chromium: from a File, from bytes, from a URL of another origin by ranges, and kept in the Cache API or the private file system. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { tinyLlama } from "../hostile/gguf.ts";
import { type Browser, startBrowser } from "./chromium.ts";
import "./tritlens-page.ts";

/** Longer than the first request, so that tensors need ranges of their own. */
const FILE = tinyLlama();
const PADDED = new Uint8Array(FILE.length + (1 << 17));
PADDED.set(FILE);

let browser: Browser;
let server: Server;
let url = "";
let asked: string[] = [];
/** What the server does; tests change it. */
let mode = { version: "1", up: true, exposed: true };

beforeAll(async () => {
  server = createServer((request, response) => {
    const allow = { "access-control-allow-origin": "*", "access-control-allow-headers": "range", "cache-control": "no-store" };
    const expose = mode.exposed ? { "access-control-expose-headers": "content-range, etag" } : {};
    const headers = { ...allow, ...expose, etag: `"${mode.version}"` };
    if (request.method === "OPTIONS") return void response.writeHead(204, headers).end();
    asked.push(`${request.method} ${request.headers.range ?? "all"}`);
    if (!mode.up) return void request.destroy();
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    if (from === undefined) {
      response.writeHead(200, { ...headers, "content-length": PADDED.length });
      return void response.end(request.method === "HEAD" ? undefined : PADDED);
    }
    const end = Math.min(Number(to), PADDED.length - 1);
    response.writeHead(206, { ...headers, "content-range": `bytes ${from}-${end}/${PADDED.length}`, "content-length": end + 1 - Number(from) });
    response.end(PADDED.subarray(Number(from), end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  mode = { version: "1", up: true, exposed: true };
});

/** Opens a GGUF file in a page and reads its last tensor. */
async function open(input: { url?: string; bytes?: number[]; as?: "file" | "buffer"; cache?: "cache-api" | "opfs" }) {
  const { page } = await browser.open("/tests/browser/pages/blank.html");
  const found = await page.evaluate(async ({ url, bytes, as, cache }) => {
    const { openGguf, readTensorBytes } = tritlens;
    const content = Uint8Array.from(bytes ?? []);
    const source = url ?? (as === "file" ? new File([content], "model.gguf") : content.buffer);
    try {
      const events: string[] = [];
      const file = await openGguf(source, { ...(cache ? { cache } : {}), onProgress: (event) => events.push(event.status) });
      const last = [...file.tensors.values()].at(-1);
      const read = last ? (await readTensorBytes(last)).length : 0;
      await file.close();
      return { tensors: file.tensors.size, size: file.source.size, read, first: events[0] };
    } catch (error) {
      return { code: (error as { code?: string }).code ?? String(error) };
    }
  }, input);
  await page.close();
  return found;
}

const WHOLE = { tensors: 12, size: PADDED.length, read: 512, first: "initiate" };

describe("model files in a browser", () => {
  it.each(["file", "buffer"] as const)("from a %s", async (as) => {
    expect(await open({ bytes: [...FILE], as })).toEqual({ ...WHOLE, size: FILE.length });
  });

  it("from a URL, by ranges, whether or not the server shows the range's header", async () => {
    expect(await open({ url })).toEqual(WHOLE);
    expect(asked[0]).toBe("GET bytes=0-65535");
    expect(asked).not.toContain("GET all");
    mode = { ...mode, exposed: false };
    asked = [];
    expect(await open({ url })).toEqual(WHOLE);
    expect(asked).toContain("HEAD all");
    expect(asked).not.toContain("GET all");
  });

  it.each(["cache-api", "opfs"] as const)("kept in %s: downloaded once, used without the server, replaced by a newer version", async (cache) => {
    expect(await open({ url, cache })).toEqual(WHOLE);
    expect(asked).toEqual(["GET bytes=0-0", "GET all"]);
    expect(await open({ url, cache })).toEqual(WHOLE);
    expect(asked.slice(2)).toEqual(["GET bytes=0-0"]);
    mode = { ...mode, up: false };
    expect(await open({ url, cache })).toEqual(WHOLE);
    expect(await open({ url: `${url}?other`, cache })).toEqual({ code: "E_IO" });
    mode = { ...mode, up: true, version: "2" };
    asked = [];
    expect(await open({ url, cache })).toEqual(WHOLE);
    expect(asked).toEqual(["GET bytes=0-0", "GET all"]);
  });
});
