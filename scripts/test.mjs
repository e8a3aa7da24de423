/**
 * `npm test`: sets everything up (addon, WASM and its toolchain, Chromium), then runs every test. What is missing fails; nothing is skipped in
 * silence. The last line adds up what the runners reported.
 */
import { runSteps, TEST_STEPS } from "./lib/steps.mjs";
import { setup } from "./setup.mjs";

process.exit(await runSteps([["setup", () => setup()], ...TEST_STEPS]));
