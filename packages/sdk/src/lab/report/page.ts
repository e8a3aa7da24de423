/** Puts model, script and style into one HTML file that opens from disk and fetches nothing. */
import type { ReportModel } from "./model.ts";

/** The page's bundled script and style, see `assets.ts`. */
export interface PageAssets {
  script: string;
  style: string;
}

/**
 * JSON that is safe inside a script element: no `<` can end the element or open a comment, and the two line separators that older JavaScript
 * engines refuse in strings are escaped.
 */
export function embedJson(value: unknown): string {
  return JSON.stringify(value, finiteOrNull)
    .replace(/</g, "\\u003c")
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");
}

function finiteOrNull(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? null : value;
}

/** Nothing is fetched: only the page's own script, style and data pictures are allowed. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** The whole page. */
export function pageHtml(model: ReportModel, assets: PageAssets): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="color-scheme" content="light dark">
<title>tritlens report</title>
<style>${assets.style}</style>
</head>
<body>
<noscript>This report draws its figures with a script it carries itself. The numbers are in results.json beside it.</noscript>
<script type="application/json" id="data">${embedJson(model)}</script>
<script>${assets.script}</script>
</body>
</html>
`;
}
