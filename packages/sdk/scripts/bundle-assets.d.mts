/** Bundles the report's page script and style into `folder` (the package's own when left out). */
export function bundleReport(folder?: string): Promise<void>;
/** Replaces the re-export that tsc wrote by the parser itself. */
export function bundleParser(): Promise<void>;
/** Everything. */
export function bundleAssets(): Promise<void>;
