/** What `model.generate` returns before the generator's code is loaded. */
import type { Step } from "../generate/options.ts";

/** A generation: steps to iterate over, once. It begins with the first step; leaving the loop early gives its memory back. */
export interface Generation extends AsyncIterable<Step> {
  /** Runs to the end and gives the whole text. */
  text(): Promise<string>;
}

/** A generation whose steps come from a module that is loaded when the first one is asked for. */
export function lazyGeneration(begin: () => Promise<AsyncIterable<Step>>): Generation {
  const steps = (async function* (): AsyncGenerator<Step, void, undefined> {
    yield* await begin();
  })();
  return {
    [Symbol.asyncIterator]: () => steps,
    text: async () => {
      let text = "";
      for await (const step of steps) text += step.text;
      return text;
    },
  };
}
