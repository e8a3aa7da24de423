/** The answering half of bench/contest.mjs: one JSON object a line is asked, one is answered. */
import { createInterface } from "node:readline";

/** Answers lines until stdin ends; `answers` has a function for every `ask`, whose failures are told to the asking side. */
export async function answerLines(answers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { ask, ...request } = JSON.parse(line);
    let answer;
    try {
      answer = await answers[ask](request);
    } catch (error) {
      answer = { error: String(error?.message ?? error).slice(0, 400) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}
