/** While training goes on the page renews itself, where the reader is, unless they are reading a table or the page is out of sight. */
import type { ReportModel } from "../model.ts";

const EVERY_MS = 10_000;

const KEY = "tritlens-scroll";

/** Reloads a live page now and then; does nothing on a finished one. */
export function keepFresh(model: ReportModel): void {
  if (model.state !== "live") return;
  const kept = sessionStorage.getItem(KEY);
  if (kept !== null) window.scrollTo({ top: Number(kept), behavior: "instant" });
  const tick = (): void => {
    const reading = document.querySelector("details[open]") !== null || document.hidden || String(getSelection() ?? "") !== "";
    if (reading) return;
    sessionStorage.setItem(KEY, String(window.scrollY));
    location.reload();
  };
  setInterval(tick, EVERY_MS);
}
