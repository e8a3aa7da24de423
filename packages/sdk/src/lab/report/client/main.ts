/** Builds the page from the JSON embedded in it. */
import type { Cell, ReportModel } from "../model.ts";
import {
  attentionFigure,
  circleFigure,
  clusterFigure,
  logitFigure,
  neuronFigure,
  offsetFigure,
  phaseFigure,
  singularFigure,
  spectrumFigure,
} from "./circuit.ts";
import { ablationFigure, codeFigure, codeImageFigure, distanceFigure, planeFigure, seedFigure } from "./compare.ts";
import { type Child, el, prose } from "./dom.ts";
import { glanceFigure } from "./glance.ts";
import { keepFresh } from "./live.ts";
import { badge, colour } from "./palette.ts";
import { finals, modeOf } from "./select.ts";
import { accuracyFigure, flipFigure, lossFigure, progressFigure, sparsityFigure } from "./training.ts";

const MARKS = { good: "✓", bad: "✗", mixed: "≈", none: "·" } as const;
const MEANING = { good: "yes", bad: "no", mixed: "in part", none: "noted" } as const;

interface Part {
  id: string;
  title: string;
  intro: string;
  body: Child[];
}

function header(model: ReportModel): HTMLElement {
  const facts = model.facts.map(([name, value]) => el("div", name === "Command" ? { class: "wide" } : {}, el("dt", {}, name), el("dd", {}, value)));
  const state =
    model.state === "live"
      ? "Still training: this page renews itself"
      : model.state === "partial"
        ? "Unfinished: some runs did not reach their end"
        : "";
  return el(
    "header",
    {},
    state === "" ? null : el("div", { class: "state", role: "status" }, state),
    el("h1", {}, model.title),
    el("p", { class: "lede" }, model.lede),
    el("dl", { class: "facts" }, ...facts),
  );
}

function answer(model: ReportModel): HTMLElement {
  const findings = model.answer.findings.map((f) =>
    el(
      "li",
      {},
      el("span", { class: `mark ${f.tone}`, role: "img", "aria-label": MEANING[f.tone] }, MARKS[f.tone]),
      prose(f.text, { style: "margin:0" }),
    ),
  );
  return el(
    "section",
    { id: "answer", class: "answer" },
    el("h2", { class: "kicker" }, "The answer"),
    el("p", { class: "headline" }, model.answer.headline),
    ...model.answer.paragraphs.map((p) => prose(p)),
    el("ul", { class: "findings" }, ...findings),
    verdict(model),
  );
}

function verdict(model: ReportModel): HTMLElement {
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Mode"),
    ...model.table.columns.map((c) => el("th", { scope: "col", title: c.help }, c.label)),
  );
  const rows = model.table.rows.map((row) => {
    const mode = modeOf(model, row.mode);
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, badge(mode), el("span", { class: "detail" }, mode.detail)),
      ...row.cells.map((c) => el("td", {}, ...cell(c, colour(row.mode)))),
    );
  });
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Verdict table" },
    el("table", { class: "verdict" }, el("thead", {}, head), el("tbody", {}, ...rows)),
  );
}

function cell(c: Cell, hue: string): Child[] {
  const text = c.tone ? el("span", { class: `tone ${c.tone}` }, c.text) : c.text;
  const chips = c.chips ? el("span", { class: "chips" }, ...c.chips.map((k) => el("span", { class: "chip" }, k))) : null;
  return [c.text === "" ? null : text, chips, c.bar === undefined ? null : bar(c.bar, hue), c.note ? el("span", { class: "note" }, c.note) : null];
}

function bar(share: number, hue: string): HTMLElement {
  const fill = el("i");
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  fill.style.background = hue;
  return el("span", { class: "bar", "aria-hidden": "true" }, fill);
}

function parts(model: ReportModel): Part[] {
  const learned = finals(model).length > 0;
  const pending = (): HTMLElement => el("p", { class: "empty" }, "Drawn when the first run ends.");
  return [
    { id: "side-by-side", title: "Side by side", intro: "", body: [glanceFigure(model)] },
    {
      id: "training",
      title: "How they learned",
      intro: "A model first memorises the pairs it is shown. Grokking is what comes later: the test loss falls, long after the train loss has.",
      body: [lossFigure(model), accuracyFigure(model), progressFigure(model), sparsityFigure(model)],
    },
    {
      id: "circuit",
      title: "What they learned",
      intro:
        "The known solution turns numbers into angles: the embedding puts tokens on circles, attention and neurons multiply the waves, and the output adds up waves that agree only at the right answer. Each figure checks one of these steps.",
      body: learned
        ? [
            spectrumFigure(model),
            circleFigure(model),
            attentionFigure(model),
            neuronFigure(model),
            clusterFigure(model),
            phaseFigure(model),
            offsetFigure(model),
            logitFigure(model),
            singularFigure(model),
          ]
        : [pending()],
    },
    {
      id: "low-bit",
      title: "Low-bit weights",
      intro: "What the quantised matrices hold at the end, and how they got there.",
      body: [codeFigure(model), codeImageFigure(model), flipFigure(model)],
    },
    {
      id: "ablation",
      title: "Taking parts away",
      intro: "Seeing a pattern is not proof that it is used. Here each part is removed or replaced and the loss measured again.",
      body: learned ? [ablationFigure(model)] : [pending()],
    },
    {
      id: "clock-pizza",
      title: "Clock or pizza",
      intro:
        "Two circuits can compute the same waves. The clock multiplies the two inputs; the pizza averages them and corrects with absolute values.",
      body: learned ? [planeFigure(model), distanceFigure(model)] : [pending()],
    },
    { id: "spread", title: "Seeds", intro: "The same experiment from other random weights.", body: [seedFigure(model)] },
  ].map((p) => ({ ...p, body: p.body.filter((b) => b !== null) }));
}

function methods(model: ReportModel): HTMLElement {
  const blocks = model.methods.flatMap((m) => [
    el("h3", {}, m.title),
    ...m.paragraphs.map((p) => prose(p)),
    m.rows ? el("dl", {}, ...m.rows.flatMap(([t, d]) => [el("dt", {}, t), el("dd", {}, ...prose(d).childNodes)])) : null,
  ]);
  return el("section", { id: "methods", class: "methods" }, el("h2", {}, "Methods"), ...blocks);
}

function contents(sections: { id: string; title: string }[]): HTMLElement {
  return el(
    "nav",
    { class: "toc", "aria-label": "Contents" },
    el("ol", {}, ...sections.map((s) => el("li", {}, el("a", { href: `#${s.id}` }, s.title)))),
  );
}

function section(part: Part): HTMLElement {
  return el("section", { id: part.id }, el("h2", {}, part.title), part.intro === "" ? null : el("p", {}, part.intro), ...part.body);
}

/** Marks the section in view in the contents. */
function follow(): void {
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".toc a")];
  const watch = new IntersectionObserver(
    (entries) => {
      const seen = entries.find((e) => e.isIntersecting);
      if (seen) for (const a of links) a.toggleAttribute("aria-current", a.hash === `#${seen.target.id}`);
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const s of document.querySelectorAll("main > section")) watch.observe(s);
}

function build(model: ReportModel): void {
  const shown = parts(model).filter((p) => p.body.length > 0);
  document.title = model.title;
  const nav = contents([{ id: "answer", title: "The answer" }, ...shown, { id: "methods", title: "Methods" }]);
  const page = el(
    "div",
    { class: "page" },
    header(model),
    nav,
    el("main", { id: "main" }, answer(model), ...shown.map(section), methods(model)),
    el("footer", {}, `Made by tritlens, ${model.created}. Every number is in results.json beside this page.`),
  );
  document.body.append(el("a", { class: "skip", href: "#main" }, "Skip to the answer"), page);
  follow();
  keepFresh(model);
}

const data = document.getElementById("data")?.textContent ?? "";
build(JSON.parse(data) as ReportModel);
