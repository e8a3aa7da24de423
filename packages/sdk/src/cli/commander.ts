/** The argument parser; bundled into the package when it is built (packages/sdk/scripts/bundle-assets.mjs), so nobody has to install it. */
export { Command, CommanderError, InvalidArgumentError, Option } from "commander";
