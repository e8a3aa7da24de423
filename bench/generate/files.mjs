/** A server of a few folders on 127.0.0.1, with ranges, for pages that load models: an empty page at `/`, and `/NAME/...` for each folder. */
import { createReadStream, realpathSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, sep } from "node:path";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
/** Pages may share memory with their workers, which builds with threads need. */
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const PAGE = '<!doctype html><link rel="icon" href="data:,"><title>bench</title>';

function fileOf(folders, pathname) {
  const [, name, ...rest] = decodeURIComponent(pathname).split("/");
  try {
    const folder = realpathSync(folders[name]);
    const path = realpathSync(join(folder, ...rest));
    return path.startsWith(folder + sep) && statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}

/** First and last byte that `bytes=first-last` asks for. */
function rangeOf(header, size) {
  const found = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  return found && { start: Number(found[1]), end: found[2] ? Math.min(Number(found[2]), size - 1) : size - 1 };
}

function answer(folders, request, response) {
  const { pathname } = new URL(request.url, "http://local");
  if (pathname === "/") return response.writeHead(200, { ...ISOLATION, "content-type": "text/html" }).end(PAGE);
  const file = fileOf(folders, pathname);
  if (!file) return response.writeHead(404).end();
  const { size } = statSync(file);
  const range = rangeOf(request.headers.range, size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const headers = {
    ...ISOLATION,
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "content-length": end - start + 1,
  };
  response.writeHead(range ? 206 : 200, range ? { ...headers, "content-range": `bytes ${start}-${end}/${size}` } : headers);
  if (request.method === "HEAD") return response.end();
  createReadStream(file, { start, end }).pipe(response);
}

/** Serves `folders`, by name; resolves with the address and a function that ends it. */
export function serveFolders(folders) {
  const server = createServer((request, response) => answer(folders, request, response));
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const close = () => new Promise((done) => server.close(done) && server.closeAllConnections());
      resolve({ url: `http://127.0.0.1:${server.address().port}`, close });
    });
  });
}
