// One Chromium without network, and pages whose console is watched.
import { chromium } from "playwright-core";
import { pathToFileURL } from "node:url";

export const open = async () => chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

/* A page of the report; whatever goes wrong in it lands in `troubles`. */
export const watched = async (browser, report, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => troubles.push(`error: ${error.stack || error.message}`));
  page.on("requestfailed", (request) => { if (!/ERR_ABORTED/.test(request.failure()?.errorText || "")) troubles.push(`request: ${request.url()} ${request.failure()?.errorText}`); });
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) troubles.push(`network: ${request.url()}`); });
  const go = async (name) => { await page.goto(pathToFileURL(`${report}/`).href + name); await page.waitForTimeout(150); };
  return { page, context, troubles, go };
};

export const check = (truth, words) => { if (!truth) throw new Error(words); };
