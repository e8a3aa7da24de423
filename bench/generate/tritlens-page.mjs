/** Our side of the section `generate` as a page's; see chromium.mjs. */
import * as sdk from "/root/packages/sdk/dist/browser/tritlens.js";
import { engine } from "./engine.mjs";

export const { load, generate, prompt, logits, first } = engine(sdk, "wasm");
