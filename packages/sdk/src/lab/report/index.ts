/** The report: one HTML file that opens from disk. */
import { writeFileAtomic } from "../../io/index.ts";
import type { Results } from "../results.ts";
import { pageAssets } from "./assets.ts";
import { type PictureSource, reportModel } from "./build/report.ts";
import { pageHtml } from "./page.ts";

export { finalPictures } from "./build/pictures.ts";
export { duration, type PictureSource, reportModel } from "./build/report.ts";
export type { FinalPictures, ReportModel } from "./model.ts";
export { embedJson, pageHtml } from "./page.ts";

/** Writes the report atomically, so that a browser never reads half a page. @throws E_IO. */
export async function writeReport(path: string, results: Results, pictures: PictureSource): Promise<void> {
  const html = pageHtml(reportModel(results, pictures), await pageAssets());
  await writeFileAtomic(path, new TextEncoder().encode(html));
}
