/**
 * `npm run check`: exactly what CI runs. Formatters and lints, then every test, then examples and sizes.
 */
import { LAST_STEPS, runSteps, STATIC_STEPS, TEST_STEPS } from "./lib/steps.mjs";
import { setup } from "./setup.mjs";

process.exit(await runSteps([["setup", () => setup()], ...STATIC_STEPS, ...TEST_STEPS, ...LAST_STEPS]));
