/**
 * A static server for the repository's pages on 127.0.0.1, for the browser tests and for looking at examples/browser.html:
 * `node scripts/serve.mjs [port]`. Serves nothing outside of its folder and follows no link out of it.
 */
import { createReadStream, realpathSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, sep } from "node:path";
import { asProgram, root } from "./lib/run.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** The file behind a URL's path, or null. */
function fileOf(folder, url) {
  try {
    const path = realpathSync(join(folder, decodeURIComponent(new URL(url, "http://local").pathname)));
    return path.startsWith(folder.endsWith(sep) ? folder : folder + sep) && statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}

/** What makes a page cross-origin isolated: it may share memory with its workers. */
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Starts serving `folder`; resolves with the address and a function that ends it. */
export function serve(folder = root, port = 0, isolated = false) {
  const real = realpathSync(folder);
  const server = createServer((request, response) => {
    const file = request.method === "GET" ? fileOf(real, request.url ?? "/") : null;
    const type = file && TYPES[extname(file)];
    if (!type) return response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    response.writeHead(200, {
      "content-type": type,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      ...(isolated ? ISOLATION : {}),
    });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const close = () => new Promise((done) => server.close(done) && server.closeAllConnections());
      resolve({ url: `http://127.0.0.1:${server.address().port}`, close });
    });
  });
}

await asProgram(import.meta, async ([port]) => {
  const { url } = await serve(root, Number(port ?? 8080));
  console.log(`${url}/examples/browser.html`);
});
